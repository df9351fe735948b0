"""Lines of the TUI: pieces of text with an ink, made harmless, cut and padded to a width (SPEC 10).

Every character that the TUI draws and did not choose itself goes through `strip`, so nothing that an agent wrote can
move the cursor, and nothing is read as markup.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from pitboss.core.terminal import visible
from pitboss.screens.output import Ink

if TYPE_CHECKING:
    from collections.abc import Iterable

_STYLES = {
    Ink.GOOD: "green",
    Ink.WARN: "yellow",
    Ink.BAD: "red",
    Ink.NAME: "cyan",
    Ink.FAINT: "dim",
    Ink.STRONG: "bold",
}
_ELLIPSIS = "…"


class Piece(NamedTuple):
    """A piece of a line; without `ink` it has the terminal's own color."""

    text: str
    ink: Ink | None = None


@cache
def style_of(ink: Ink | None, *, chosen: bool = False) -> Style:
    """The style of an ink; `chosen` for the line that the cursor is on."""
    if chosen:
        return Style(reverse=True, bold=ink is Ink.STRONG or None)
    return Style.null() if ink is None else Style.parse(_STYLES[ink])


def printable(text: str) -> str:
    """`text` on one line, tabs as blanks, everything a terminal acts on as a readable mark."""
    if text.isprintable():
        return text
    return visible(text.replace("\t", "    ").replace("\r\n", " ").replace("\n", " ")).replace("\r", "^M")


def cut(text: str, width: int) -> str:
    """`text` in at most `width` cells, with an ellipsis where something is missing."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + _ELLIPSIS if width > 0 else ""


def fitted(text: str, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` cells."""
    text = cut(printable(text), width)
    blanks = " " * (width - cell_len(text))
    return blanks + text if right else text + blanks


def strip(pieces: Iterable[Piece], width: int, *, chosen: bool = False) -> Strip:
    """A line to draw, exactly `width` cells wide."""
    segments = [Segment(printable(piece.text), style_of(piece.ink, chosen=chosen)) for piece in pieces]
    line = Strip(segments)
    if line.cell_length > width:
        line = Strip([*line.crop(0, max(width - 1, 0)), Segment(_ELLIPSIS[:width], style_of(Ink.FAINT))])
    return line.adjust_cell_length(width, style_of(None, chosen=chosen))


def length(pieces: Iterable[Piece]) -> int:
    """How many cells the pieces take."""
    return sum(cell_len(piece.text) for piece in pieces)
