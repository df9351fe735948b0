"""What parallel sessions add to the run's scratchpad: one section each (SPEC 2).

Agents may write any bytes, so these texts are bytes too. A section can be found again after a crash: the same notes
give the same section, and nothing an agent wrote can pass for a section's heading.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from pitboss.core.embed import one_line
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTES_LIMIT = 64 * 1024
"""The most bytes that one session may add."""

_CUT = b"(only the last part of what this session noted)\n"
_HEADING = lazy_pattern(rb"^## session-", re.MULTILINE)


def notes_section(seq: int, prompt: str, added: bytes) -> bytes:
    """The section of session `seq`, up to and including its last newline; empty when it added only blanks.

    If it added more than NOTES_LIMIT bytes, the end is kept, from the start of a line if possible.
    """
    kept, said = added, b""
    if len(added) > NOTES_LIMIT:
        end = added[-NOTES_LIMIT:]
        kept, said = end.partition(b"\n")[2] or end, _CUT
    text = kept.strip(b"\r\n").rstrip()
    if not text:
        return b""
    heading = f"## session-{seq:04} — {one_line(prompt)}".encode()
    return heading + b"\n\n" + said + _HEADING.sub(rb"\\\g<0>", text) + b"\n"


def section_gap(before: bytes) -> bytes:
    """What makes a section after the bytes `before` start on a fresh line, below a blank one."""
    if not before or before.endswith(b"\n\n"):
        return b""
    return b"\n" if before.endswith(b"\n") else b"\n\n"


def new_lines(given: bytes, written: bytes) -> bytes:
    """The lines of `written` that `given` did not have, in order, in linear time.

    The common beginning and end are dropped; in between, a line that occurs more often than before is new.
    """
    had, has = given.split(b"\n"), written.split(b"\n")
    first = same_start(had, has)
    had, has = had[first:], has[first:]
    last = same_start(had[::-1], has[::-1])
    left = Counter(had[: len(had) - last])
    new = []
    for line in has[: len(has) - last]:
        left[line] -= 1
        if left[line] < 0:
            new.append(line)
    return b"\n".join(new)


def same_start(some: Sequence[object], others: Sequence[object]) -> int:
    """The length of the common prefix, in items (lines or bytes)."""
    pairs = zip(some, others, strict=False)
    return next((n for n, (one, other) in enumerate(pairs) if one != other), min(len(some), len(others)))
