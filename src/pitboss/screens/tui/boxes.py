"""Text in a box that lies over a screen: broken between words where the terminal is narrow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len

from pitboss.screens.tui.bars import Lines
from pitboss.screens.tui.pager import wrapped
from pitboss.screens.tui.pieces import Piece, length

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.geometry import Size
    from textual.strip import Strip

_WORD = re.compile(r"[^ ]* *")


class Words(Lines):
    """Lines in a box. Those whose first piece is `hang` cells wide go on below their second piece."""

    def __init__(self, *, hang: int = 0) -> None:
        super().__init__()
        self._hang = hang
        self._given: Sequence[Sequence[Piece]] = ()

    def show(self, lines: Sequence[Sequence[Piece]]) -> None:
        """Replace the lines."""
        self._given = list(map(list, lines))
        self.refresh(layout=True)

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002 - textual's signature
        """As wide as the widest line, or as there is room."""
        widest = max(map(length, self._given), default=0)
        return min(widest, container.width or widest)  # 0: how wide the box is depends on this

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:  # noqa: ARG002 - textual's signature
        """As high as the lines are once they are broken."""
        return len(self._broken(width))

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        self._lines = self._broken(self.size.width)
        return super().render_line(y)

    def _broken(self, width: int) -> list[list[Piece]]:
        return [part for line in self._given for part in self._break(line, width)]

    def _break(self, line: Sequence[Piece], width: int) -> list[list[Piece]]:
        if not self._hang or length(line[:1]) != self._hang:
            return broken(line, width)
        first, *more = broken(line[1:], width - self._hang)
        return [[line[0], *first], *([Piece(" " * self._hang), *part] for part in more)]


def broken(line: Sequence[Piece], width: int) -> list[list[Piece]]:
    """The line in lines at most `width` cells wide, each of whole words unless one is wider than that."""
    lines: list[list[Piece]] = [[]]
    for piece in line:
        for word in _WORD.findall(piece.text):
            bare = word.rstrip()
            if cell_len(bare) > width - length(lines[-1]) and lines[-1]:
                lines.append([])
            lines[-1:] = wrapped([*lines[-1], Piece(bare, piece.ink)], width)
            if lines[0] is lines[-1] or length(
                lines[-1]
            ):  # no other line begins with the blanks between two words
                blanks = word[len(bare) :][: width - length(lines[-1])]
                lines[-1].append(Piece(blanks, piece.ink))
    return lines
