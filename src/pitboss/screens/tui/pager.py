"""A text to read: wrapped at the width of the widget, only the lines in sight are drawn; it can stay at its end."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, chop_cells
from textual.binding import Binding, BindingType
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pitboss.screens.tui.pieces import Piece, printable, strip, style_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Row = Sequence[Piece]

_MARKS = 64
"""How many characters without a width of their own, such as accents, are taken into one line beyond its cells."""


class Pager(ScrollView, can_focus=True):
    """Lines of text. With `follows`, it stays at the end while the text grows, until somebody scrolls up."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "by(1)", show=False),
        Binding("k,up", "by(-1)", show=False),
        Binding("space,pagedown,ctrl+f", "page(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("g,home", "edge(0)", show=False),
        Binding("G,end", "edge(1)", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name for it
        super().__init__(id=id)
        self._rows: Sequence[Row] = ()
        self._starts: list[int] = [0]
        self._laid_for = 0
        self._broken: tuple[int, list[list[Piece]]] | None = None
        self._drawn: Callable[[int], Sequence[Row]] | None = None

    @property
    def at_end(self) -> bool:
        """Whether the last line is in sight."""
        return self.scroll_offset.y >= self._most

    @property
    def at_start(self) -> bool:
        """Whether the first line is in sight."""
        return self.scroll_offset.y <= 0

    @property
    def _most(self) -> int:
        return max(self._starts[-1] - self.size.height, 0)

    @property
    def rows_below(self) -> int:
        """How many rows come after those in sight."""
        return self._most - self.scroll_offset.y

    @property
    def top_row(self) -> int:
        """The line of text that is the first in sight."""
        return bisect_right(self._starts, self.scroll_offset.y) - 1

    def to_row(self, row: int) -> None:
        """Scroll until a line of the text is the first in sight, or as close as the end allows."""
        self._go(self._starts[min(max(row, 0), len(self._starts) - 1)])

    def show(
        self, rows: Sequence[Row], *, follows: bool = False, added_above: int = 0, gone_above: int = 0
    ) -> None:
        """Replace the text. What is in sight stays there, though so many lines were added or taken away above it."""
        stay = follows and self.at_end
        top = self.scroll_offset.y - self._starts[min(gone_above, len(self._starts) - 1)]
        self._rows = rows
        self._lay(self._width)
        if stay:
            self._go(self._most)
        elif added_above or gone_above:
            self._go(top + self._starts[min(added_above, len(rows))])
        self.refresh()

    def draw(self, rows: Callable[[int], Sequence[Row]]) -> None:
        """Replace the text by what `rows` makes of the width, now and whenever that changes."""
        self._drawn = rows
        self.show(rows(self._width))

    @property
    def _width(self) -> int:
        """Cells of a line, without the scrollbar, for which there is always room."""
        return self.scrollable_content_region.width

    def _lay(self, width: int) -> None:
        heights = (_height(row, width) for row in self._rows)
        self._starts = [0, *accumulate(heights)]
        self._laid_for, self._broken = width, None
        self.virtual_size = Size(width, max(self._starts[-1], 1))

    def on_resize(self) -> None:
        """Wrap at the new width; the line at the top stays there."""
        if self._width != self._laid_for:
            if self._drawn is not None:
                self._rows = self._drawn(self._width)
            stay, top = (
                self.at_end and self._laid_for > 0,
                bisect_right(self._starts, self.scroll_offset.y) - 1,
            )
            self._lay(self._width)
            self._go(self._most if stay and self._most else self._starts[max(min(top, len(self._rows)), 0)])
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of what is in sight."""
        width = self._width
        row = y + self.scroll_offset.y
        if not 0 <= row < self._starts[-1]:
            return Strip.blank(width, style_of(None))
        number = bisect_right(self._starts, row) - 1
        # A narrower screen may be drawn before it is laid out again.
        return strip(self._lines_of(number)[row - self._starts[number]], width)

    def _lines_of(self, number: int) -> list[list[Piece]]:
        """A row as it was laid out; one row may fill many screens, whose lines ask for it one by one."""
        if self._broken is None or self._broken[0] != number:
            self._broken = number, wrapped(self._rows[number], self._laid_for)
        return self._broken[1]

    def _go(self, y: int) -> None:
        self.scroll_to(y=min(max(y, 0), self._most), animate=False, immediate=True, force=True)

    def action_by(self, rows: int) -> None:
        """Scroll by rows."""
        self._go(self.scroll_offset.y + rows)

    def action_page(self, pages: int) -> None:
        """Scroll by screenfuls."""
        self._go(self.scroll_offset.y + pages * max(self.size.height - 1, 1))

    def action_edge(self, last: int) -> None:
        """Scroll to the first or the last line."""
        self._go(self._most if last else 0)


def _height(row: Row, width: int) -> int:
    if width <= 0:
        return 1
    length = sum(len(piece.text) for piece in row)
    if length <= width and all(piece.text.isascii() and piece.text.isprintable() for piece in row):
        return 1
    return len(wrapped(row, width))


def wrapped(row: Row, width: int) -> list[list[Piece]]:
    """The row in pieces at most `width` cells wide, broken between words where that wastes little."""
    if width <= 0:
        return [list(row)]
    lines: list[list[Piece]] = [[]]
    room = width
    for piece in row:
        rest = _Rest(printable(piece.text))
        while not rest.fits(room):
            lines[-1].append(Piece(rest.line(room, width), piece.ink))
            lines.append([])
            room = width
        last = rest.left()
        lines[-1].append(Piece(last, piece.ink))
        room -= cell_len(last)
    return lines


class _Rest:
    """What is left of a text to be broken into lines; each line looks at no more of it than a few lines hold."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0

    def fits(self, room: int) -> bool:
        """Whether all of it has room."""
        near = self._near(room)
        return self._at + len(near) == len(self._text) and cell_len(near) <= room

    def left(self) -> str:
        """All of it."""
        return self._text[self._at :]

    def line(self, room: int, width: int) -> str:
        """Take off what comes on a line with `room` cells left of `width`; empty if it is better begun on the next."""
        near = self._near(room)
        head = chop_cells(near, room)[0] if room else ""
        if cell_len(head) > room:
            head = ""
        begun = room < width
        if (blank := head.rfind(" ")) >= 0 and (begun or blank > len(head) * 2 // 3):
            head = head[: blank + 1]
        elif begun and self.fits(width):
            head = ""  # it fits on the next line as a whole
        if not head and room == width:
            head = near[0]  # wider than the whole line
        self._at += len(head)
        return head

    def _near(self, room: int) -> str:
        """As much of it as is surely wider than the room, unless that much takes no room at all."""
        return self._text[self._at : self._at + 2 * room + _MARKS]
