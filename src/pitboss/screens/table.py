"""Tables that commands print: whole for programs, in the width of a terminal for people (SPEC 8)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pitboss.screens.columns import GAP, widths
from pitboss.screens.output import Ink, columns, note, paint, say, width_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.screens.columns import Column


def say_table(table: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[str]:
    """Print a table with its headings; what a terminal has no room for is cut or left out, and a note says so.

    Returns the headings that were left out.
    """
    heads = [column.head for column in table]
    natural, room = columns([heads, *rows]), width_of(sys.stdout)
    wide = natural if room is None else _fitted(table, natural, room - 1)
    for number, row in enumerate((heads, *rows)):
        cells = [
            _cell(column, text, width) for column, text, width in zip(table, row, wide, strict=True) if width
        ]
        line = (" " * GAP).join(cells).rstrip()
        say(paint(line, Ink.FAINT) if number == 0 else line)
    if dropped := [head for head, width in zip(heads, wide, strict=True) if not width]:
        note(f"no room for {', '.join(dropped)}: a wider terminal shows more")
    return dropped


def _fitted(table: Sequence[Column], natural: Sequence[int], room: int) -> list[int]:
    """The natural widths if they fit, else those in which columns give way."""
    if sum(natural) + GAP * (len(natural) - 1) <= room:
        return list(natural)
    return widths(table, natural, room)


def _cell(column: Column, text: str, width: int) -> str:
    if len(text) > width:
        text = f"…{text[len(text) - width + 1 :]}" if column.keeps_end else f"{text[: width - 1]}…"
    return text.rjust(width) if column.right else text.ljust(width)
