"""Checks what a user wrote key by key, so that all mistakes are reported at once (SPEC 2).

A `Document` collects the mistakes of one file; a `Table` is one mapping in it; a `Check` turns the value of one key
into what the program uses, or raises `Wrong` with words that complete `KEY: ...`.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.errors import InputError, Problem
from pitboss.typed import from_builtins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    Check = Callable[[object], object]
    Path = tuple[str | int, ...]

MAX_COUNT = 2**32 - 1
MAX_TOKENS = 2**63 - 1
_SHOWN_CHARS = 40
_SHOWN_BITS = 1024
"""Python writes no number with thousands of digits in decimal, though it reads one in hexadecimal."""


class Wrong(ValueError):
    """A value is not what its key calls for; the message says what it must be."""


class Document:
    """One file being checked: its problems and, where unknown keys are not an error, its warnings.

    `line_of` finds the line of a path of keys; it is called only when there is something to report.
    """

    def __init__(self, file: str, line_of: Callable[[Path], int | None], *, lenient: bool = False) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.warnings: list[str] = []
        self._line_of = line_of
        self._lenient = lenient

    def line(self, path: Path) -> int | None:
        """The line on which the value at `path` begins, or what it belongs to."""
        return self._line_of(path)

    def report(self, path: Path, reason: str) -> None:
        """Note that the value at `path` is wrong."""
        self.problems.append(self._problem(path, reason))

    def unknown(self, path: Path, known: Iterable[str], why: str | None = None) -> None:
        """Note an unknown key: an error, or a warning in a lenient document."""
        problem = self._problem(path, why or f"unknown key{suggestion(str(path[-1]), known)}")
        if self._lenient:
            self.warnings.append(str(problem))
        else:
            self.problems.append(problem)

    def finish(self) -> None:
        """Raise InputError with all problems, ordered by line, if there are any."""
        if self.problems:
            raise InputError(sorted(self.problems, key=lambda problem: problem.line or 0))

    def _problem(self, path: Path, reason: str) -> Problem:
        return Problem(self.file, reason, line=self._line_of(path), field=_spelled(path) or None)


class Table:
    """One mapping of a document, at `path` from its top."""

    def __init__(self, document: Document, values: Mapping[str, object], path: Path = ()) -> None:
        self.document = document
        self.values = values
        self.path = path

    def read(
        self,
        checks: Mapping[str, Check],
        *,
        required: Iterable[str] = (),
        foreign: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the values that pass their checks; report the rest: unknown keys, wrong values, missing keys.

        `foreign` holds what to say about keys that belong to other programs.
        """
        found = {}
        for key, value in self.values.items():
            check = checks.get(key)
            if check is None:
                self.document.unknown((*self.path, key), checks, (foreign or {}).get(key))
                continue
            try:
                found[key] = check(value)
            except Wrong as wrong:
                self.report(key, str(wrong))
        for key in required:
            if key not in self.values:
                self.report(key, "is required")
        return found

    def report(self, key: str, reason: str) -> None:
        """Note that the value of `key` is wrong."""
        self.document.report((*self.path, key), reason)

    def sub(self, key: str) -> Table:
        """The table under `key`, empty if there is none (`table` is the check that reports that)."""
        value = self.values.get(key)
        return Table(self.document, value if isinstance(value, dict) else {}, (*self.path, key))

    def rows(self, key: str) -> list[Table]:
        """The tables in the list under `key`; reports whatever is not a table."""
        value = self.values.get(key)
        rows = []
        for index, row in enumerate(value if isinstance(value, list) else []):
            path = (*self.path, key, index)
            if isinstance(row, dict):
                rows.append(Table(self.document, row, path))
            else:
                self.document.report(path, _must_be("a table", row))
        return rows


def one_line(value: object) -> str:
    """Text that is not blank and has no line breaks or control characters; blanks around it are dropped."""
    text = some_text(value).strip()
    if any(ord(char) < 32 or 127 <= ord(char) < 160 for char in text):
        raise Wrong(_must_be("one line of text without control characters", value))
    return text


def folded(value: object) -> str:
    """The same for text that may span several lines, which are joined into one, as in a folded block scalar."""
    return one_line(" ".join(some_text(value).split()))


def some_text(value: object) -> str:
    """Text that is not blank, kept as it is."""
    text = argument(value)
    if not text.strip():
        raise Wrong("must not be empty")
    return text


def argument(value: object) -> str:
    """Any text that can be passed to a program: it may be empty, but holds no NUL."""
    if not isinstance(value, str) or "\0" in value:
        raise Wrong(_must_be("a string", value))
    return value


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Wrong(_must_be("true or false", value))
    return value


def count(least: int, most: int = MAX_COUNT) -> Check:
    """A whole number from `least` to `most`; neither true nor 3.0 counts as one."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise Wrong(_must_be(f"a whole number >= {least}", value))
        if value > most:
            raise Wrong(f"must be at most {most}")
        return value

    return check


def amount(value: object) -> float:
    """A finite number >= 0, for example US dollars."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise Wrong(_must_be("a number >= 0", value))
    try:
        return float(value)
    except OverflowError:
        raise Wrong("is too large") from None


def seconds(value: object) -> float:
    """A finite number of seconds > 0, no longer than timers can wait."""
    duration = amount(value)
    if not 0 < duration <= MAX_COUNT:
        raise Wrong(_must_be(f"a number > 0 and at most {MAX_COUNT}", value))
    return duration


def share(value: object) -> float:
    """A share of a whole: a number > 0 and at most 1."""
    part = amount(value)
    if not 0 < part <= 1:
        raise Wrong(_must_be("a number > 0 and at most 1", value))
    return part


def duration(value: object) -> float:
    """A span as people write it (`6h`, `1h30m`, `0s`) or a number of seconds; returned in seconds, at least 0."""
    from pitboss.core.deadline import parse_span

    span = parse_span(value) if isinstance(value, str) else amount(value)
    if span is None or span > MAX_COUNT:
        raise Wrong(_must_be("a time such as 6h, 1h30m or 90s", value))
    return span


def one_of(*words: str) -> Check:
    """One of a few fixed words."""

    def check(value: object) -> object:
        if value not in words:
            raise Wrong(_must_be(" or ".join(f'"{word}"' for word in words), value))
        return value

    return check


def arguments(value: object) -> list[str]:
    """A list of strings for a command line."""
    return _each(value, argument)


def labels(value: object) -> list[str]:
    """A list of one-line strings."""
    return _each(value, one_line)


def moment(value: object) -> datetime:
    """A time with an offset, as text (RFC 3339) or as TOML's own type; returned in UTC."""
    try:
        time = value if isinstance(value, datetime) else from_builtins(value, datetime)
        if time.tzinfo is None:
            raise Wrong(f"needs a time zone, such as {time.isoformat()}Z")
        return time.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        raise Wrong(_must_be("an RFC 3339 time such as 2030-01-31T06:00:00Z", value)) from None


def table(value: object) -> object:
    """A table; its reader checks the contents."""
    if not isinstance(value, dict):
        raise Wrong(_must_be("a table", value))
    return value


def nullable(check: Check) -> Check:
    """What `check` takes, or null for the key's default."""
    return lambda value: None if value is None else check(value)


def suggestion(word: str, known: Iterable[str]) -> str:
    """`; did you mean 'X'?` with the word in `known` closest to `word`, or nothing."""
    from difflib import get_close_matches

    near = get_close_matches(word[:100], list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def shown(value: object) -> str:
    """A value as messages quote it: short, on one line."""
    if value is None:
        return "null"
    if isinstance(value, int) and value.bit_length() > _SHOWN_BITS:
        return "a number with so many digits"
    if isinstance(value, str | int | float):
        spelled = repr(value).lower() if isinstance(value, bool) else repr(value)
        return spelled if len(spelled) <= _SHOWN_CHARS else f"{spelled[:_SHOWN_CHARS]}..."
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return str(value)


def _must_be(what: str, value: object) -> str:
    return f"must be {what}, not {shown(value)}"


def _each(value: object, check: Callable[[object], str]) -> list[str]:
    if not isinstance(value, list):
        raise Wrong(_must_be("a list of strings", value))
    found = []
    for position, item in enumerate(value, start=1):
        try:
            found.append(check(item))
        except Wrong as wrong:
            raise Wrong(f"item {position} {wrong}") from None
    return found


def _spelled(path: Sequence[str | int]) -> str:
    spelled = ""
    for part in path:
        if isinstance(part, int):
            spelled += f"[{part}]"
        else:
            bare = len(part) <= _SHOWN_CHARS and part.replace("_", "").replace("-", "").isalnum()
            spelled += ("." if spelled else "") + (part if bare else shown(part))
    return spelled
