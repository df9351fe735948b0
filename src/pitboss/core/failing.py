"""Finds the name of the first failing test in the output of any test runner (SPEC 6, verify).

Each row of RUNNERS is what one runner prints for a failed test; the first row that matches anywhere in the output
wins. If none does, the answer is the last line with any content: not a row of `=`, nor a line that only says how long
it took.
"""

from __future__ import annotations

import re

from pitboss.core.embed import clean, one_line
from pitboss.core.patterns import lazy_pattern

LIMIT = 200
"""How many characters of a test's name or a line are kept."""

_ESCAPES = lazy_pattern(r"\x1b\[[0-?]*[ -/]*[@-~]")
_RULE = lazy_pattern(r"^[\W_]+|[\W_]+$")
_WORD = lazy_pattern(r"\w")


def _line(pattern: str) -> re.Pattern[str]:
    return lazy_pattern(pattern, re.MULTILINE)


RUNNERS = (
    # pytest: the short summary, else the heading of a failure
    _line(r"^(?:FAILED|ERROR) +(\S+\.py(?:::.*?)?)(?: - .*)?$"),
    _line(r"^_{3,} (?:ERROR (?:at \w+ of|collecting) )?(\S.*?) _{3,}$"),
    # cargo test
    _line(r"^test (\S+)(?: - should panic)? \.\.\. FAILED$"),
    _line(r"^---- (\S+) stdout ----$"),
    # go test: a subtest is more precise than the test around it
    _line(r"^--- FAIL: (\S+) \(.*(?:\n +--- FAIL: (\S+) \()?"),
    _line(r"^FAIL\t(\S+ \[\w+ failed\])$"),
    # unittest, Django
    _line(r"^(?:FAIL|ERROR): (\w+) \(([\w.]+\.\1)\)"),
    _line(r"^(?:FAIL|ERROR): (\S+ \([\w.<>]+\))"),
    # jest, vitest
    _line(r"^ *● (?!Console|Test suite failed)(\S.*? › .*?)$"),
    _line(r"^ *FAIL +(\S+ > .+?)$"),
    _line(r"^ *[×✕✖] (\S.*?)(?: \(?\d+(?:\.\d+)? ?m?s\)?)?$"),
    _line(r"^ *FAIL +(\S+)"),
    # TAP, mocha, RSpec, PHPUnit
    _line(r"^ *not ok \d+ (?:- )?(.+?)(?: # .*)?$"),
    _line(r"^rspec (\S+) # "),
    _line(r"^ *1\) (\S.*?):?$"),
)


def first_failing(output: str) -> str | None:
    """The first failing test that `output` names, else its last line with any content; None when there is none."""
    text = clean(_ESCAPES.sub("", output))
    for runner in RUNNERS:
        if found := runner.search(text):
            return one_line(found[found.lastindex or 0], LIMIT)
    lines = [_RULE.sub("", line) for line in text.splitlines() if _WORD.search(line)]
    return one_line(lines[-1], LIMIT) if lines else None
