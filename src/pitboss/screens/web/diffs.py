"""A diff as a page shows it: file by file, long ones folded, its lines by what they are (SPEC 10)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.screens.desk import Changes, FileChange

OPEN_FILE = 150
"""Lines up to which a file is unfolded."""

OPEN_ALL = 600
"""Lines after which the files that follow stay folded."""

MOST_SHOWN = 4000
"""Lines after which the page shows only names: a browser on a phone has to draw them."""


class LineKind(StrEnum):
    """What a line of a diff is."""

    ADDED = "added"
    REMOVED = "removed"
    HUNK = "hunk"
    SAME = "same"
    NOTE = "note"


class DiffLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a diff."""

    kind: LineKind
    text: str


class FoldedFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a diff; `left_out` if its lines are too many to show."""

    path: str
    counts: str
    lines: tuple[DiffLine, ...]
    is_open: bool
    left_out: bool


_FIRST = {"+": LineKind.ADDED, "-": LineKind.REMOVED, "@": LineKind.HUNK, "\\": LineKind.NOTE}
_HEAD = "diff --git "
"""How each part of a diff begins; a file that became a link has two."""

_SAID_ALREADY = (_HEAD, "index ", "--- ", "+++ ")


def folded(changes: Changes) -> Iterator[FoldedFile]:
    """The files of a diff, in order."""
    shown = 0
    for change in changes.files:
        left_out = change.left_out or shown + len(change.lines) > MOST_SHOWN
        lines = () if left_out else tuple(_lines(change))
        shown += len(lines)
        is_open = len(lines) <= OPEN_FILE and shown <= OPEN_ALL and not left_out
        yield FoldedFile(
            path=change.path, counts=_counts(change), lines=lines, is_open=is_open, left_out=left_out
        )


def _lines(change: FileChange) -> Iterator[DiffLine]:
    """Its lines without those that only repeat the file's name."""
    in_hunk = False
    for text in change.lines:
        in_hunk = text.startswith("@@") or (in_hunk and not text.startswith(_HEAD))
        if in_hunk:
            yield DiffLine(kind=_FIRST.get(text[:1], LineKind.SAME), text=text)
        elif not text.startswith(_SAID_ALREADY):
            yield DiffLine(kind=LineKind.NOTE, text=text)


def _counts(change: FileChange) -> str:
    if change.added is None or change.removed is None:
        return "binary"
    return f"+{change.added} -{change.removed}"
