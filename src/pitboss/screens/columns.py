"""Columns of a table: how wide each is, and which give way when the terminal is narrow; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 2


class Column(NamedTuple):
    """A column of a table: its heading, and the fewest and most cells it takes.

    `gives_way`: the higher, the sooner it is left out for want of room; 0 never is. `grows`: it takes what is left.
    `keeps_end`: of a text that is too long, the end is shown.
    """

    head: str
    least: int
    most: int
    right: bool = False
    gives_way: int = 0
    grows: bool = False
    keeps_end: bool = False


def widths(columns: Sequence[Column], natural: Sequence[int], room: int) -> list[int]:
    """The width of each column in `room` cells, 0 where it is left out.

    `natural` is the widest text of each column; a column in which there is none is left out.
    """
    wanted = [
        min(max(column.least, natural[n]), column.most) if natural[n] else 0
        for n, column in enumerate(columns)
    ]
    for n, column in enumerate(columns):
        if column.grows and wanted[n]:
            wanted[n] = column.least
    for n in sorted(range(len(columns)), key=lambda n: -columns[n].gives_way):
        if _taken(wanted) <= room or not columns[n].gives_way:
            break
        wanted[n] = 0
    _squeeze(wanted, columns, room)
    for n, column in enumerate(columns):
        if column.grows and wanted[n]:
            wanted[n] = max(wanted[n] + room - _taken(wanted), 1)
    return wanted


def _squeeze(wanted: list[int], columns: Sequence[Column], room: int) -> None:
    """Take what a column that grows cannot give from those that may be widest, before it is cut off at the end."""
    given = sum(width - 1 for width, column in zip(wanted, columns, strict=True) if width and column.grows)
    for n in sorted(range(len(columns)), key=lambda n: -columns[n].most):
        if wanted[n] and not columns[n].grows:
            spare = max(wanted[n] - columns[n].least, 0)
            wanted[n] -= min(spare, max(_taken(wanted) - given - room, 0))


def _taken(wanted: Sequence[int]) -> int:
    shown = [width for width in wanted if width]
    return sum(shown) + GAP * max(len(shown) - 1, 0)
