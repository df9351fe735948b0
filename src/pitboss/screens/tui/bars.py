"""The lines above and below everything else: which keys there are, and what was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.strip import Strip
from textual.widget import Widget

from pitboss.screens.output import Ink
from pitboss.screens.tui.keys import KEYS
from pitboss.screens.tui.pieces import Piece, length, strip, style_of

if TYPE_CHECKING:
    from collections.abc import Sequence


class Lines(Widget):
    """A few lines that somebody else composes, drawn as they are."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name for it
        super().__init__(id=id)
        self._lines: Sequence[Sequence[Piece]] = ()

    def show(self, lines: Sequence[Sequence[Piece]]) -> None:
        """Replace the lines; without any, the widget takes no room."""
        lines = list(map(list, lines))
        if lines != self._lines:
            if len(lines) != len(self._lines):
                self.styles.height = len(lines)
                self.display = bool(lines)
            self._lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        width = self.size.width
        return strip(self._lines[y], width) if y < len(self._lines) else Strip.blank(width, style_of(None))


class KeyLine(Widget):
    """The keys that matter most, as many as fit; `?` and `q` always do."""

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 - there is only one
        """Draw the line."""
        hints = [
            [Piece(key.shown, Ink.STRONG), Piece(f" {key.brief}  ", Ink.FAINT)] for key in KEYS if key.brief
        ]
        last = [piece for hint in hints[-2:] for piece in hint]
        room = self.size.width - length(last)
        line: list[Piece] = []
        for hint in hints[:-2]:
            if length(hint) > room:
                break
            room -= length(hint)
            line += hint
        return strip([*line, *last], self.size.width)
