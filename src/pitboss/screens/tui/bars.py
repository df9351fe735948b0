"""The lines above and below everything else: which keys there are, and what was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.strip import Strip
from textual.widget import Widget

from pitboss.screens.output import Ink
from pitboss.screens.tui.keys import KEYS, Key
from pitboss.screens.tui.pieces import Piece, length, strip, style_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.geometry import Size


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

    def get_content_width(self, container: Size, viewport: Size) -> int:  # noqa: ARG002 - textual's signature
        """As wide as the widest line."""
        return max(map(length, self._lines), default=0)

    def render_line(self, y: int) -> Strip:
        """Draw one line."""
        width = self.size.width
        return strip(self._lines[y], width) if y < len(self._lines) else Strip.blank(width, style_of(None))


class KeyLine(Widget):
    """The keys that matter most on a screen, as many as fit; `?` and `q` always do."""

    def __init__(self) -> None:
        super().__init__()
        self._known = {key.brief: key for key in KEYS}
        self._wanted: Sequence[str] = ()
        self._last = [piece for name in ("help", "quit") for piece in _hint(self._known[name])]

    def show(self, wanted: Sequence[str]) -> None:
        """Name other keys: `wanted` says what they do, most useful first, in the words of `keys.KEYS`."""
        if wanted != self._wanted:
            self._wanted = wanted
            self.refresh()

    def render_line(self, y: int) -> Strip:  # noqa: ARG002 - there is only one
        """Draw the line."""
        room = self.size.width - length(self._last)
        line: list[Piece] = []
        for hint in (_hint(self._known[name]) for name in self._wanted):
            if length(hint) > room:
                break
            room -= length(hint)
            line += hint
        return strip([*line, *self._last], self.size.width)


def _hint(key: Key) -> list[Piece]:
    return [Piece(key.shown, Ink.STRONG), Piece(f" {key.brief}  ", Ink.FAINT)]
