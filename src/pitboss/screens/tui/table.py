"""A list of rows of which only those in sight are drawn, so that thousands cost no more than a screenful (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Generic, TypeVar

from rich.cells import cell_len
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from pitboss.screens.columns import GAP, Column, widths
from pitboss.screens.output import Ink
from pitboss.screens.tui.pieces import Piece, fitted, strip, style_of
from pitboss.screens.tui.wishes import RowChosen

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from textual.events import Click

    Cells = Sequence[Piece]

_MEASURED = 200
"""How many rows decide the widths of columns: those at the top, which are on the screen first."""

_NO_MATCH = "no row has these words; / and then esc shows all"

T = TypeVar("T")


class RowTable(ScrollView, Generic[T], can_focus=True):
    """Rows with a cursor. The cursor stays on its row when rows come and go around it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j,down", "move(1)", show=False),
        Binding("k,up", "move(-1)", show=False),
        Binding("pagedown,ctrl+f,space", "page(1)", show=False),
        Binding("pageup,ctrl+b", "page(-1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(1)", show=False),
        Binding("enter", "choose", show=False),
    ]

    def __init__(
        self,
        columns: Sequence[Column],
        cells: Callable[[T], Cells],
        key: Callable[[T], Hashable],
        *,
        empty: str = "",
        id: str | None = None,  # noqa: A002 - textual's name for it
    ) -> None:
        super().__init__(id=id)
        self._columns = columns
        self._cells = cells
        self._key = key
        self._all: Sequence[T] = ()
        self._items: Sequence[T] = ()
        self._words: tuple[str, ...] = ()
        self._natural = [0] * len(columns)
        self._cursor = 0
        self.empty = empty
        self.heads = False

    @property
    def item(self) -> T | None:
        """What the cursor is on; None in an empty table."""
        return self._items[self._cursor] if self._items else None

    @property
    def items(self) -> Sequence[T]:
        """The rows, first to last."""
        return self._items

    def use(self, columns: Sequence[Column]) -> None:
        """Take other columns, before the next `show`."""
        self._columns = columns

    def show(self, items: Sequence[T]) -> None:
        """Replace the rows; the cursor stays where it was, or at the top if it never moved."""
        self._all = items
        self._sift()

    def filter(self, words: str) -> None:
        """Show only rows in which all of these words appear, in whatever case; without words, all rows."""
        self._words = tuple(words.casefold().split())
        self._sift()

    def _sift(self) -> None:
        before = self.item
        self._items = [item for item in self._all if self._matches(item)] if self._words else self._all
        self._natural = self._measure(self._items[:_MEASURED])
        self._cursor = min(self._cursor, max(len(self._items) - 1, 0))
        self._resized()
        if before is not None and self._cursor:
            self._return_to(self._key(before))
        self.refresh()

    def _matches(self, item: T) -> bool:
        text = " ".join(cell.text for cell in self._cells(item)).casefold()
        return all(word in text for word in self._words)

    def _return_to(self, key: Hashable) -> None:
        for number, item in enumerate(self._items):
            if self._key(item) == key:
                moved = number - self._cursor
                self._cursor = number
                if moved:
                    self.scroll_to(y=self.scroll_offset.y + moved, animate=False, immediate=True)
                return

    def _measure(self, items: Sequence[T]) -> list[int]:
        natural = [0] * len(self._columns)
        for item in items:
            for n, cell in enumerate(self._cells(item)):
                natural[n] = max(natural[n], len(cell.text) if cell.text.isascii() else cell_len(cell.text))
        heads = [cell_len(column.head) for column in self._columns] if self.heads else natural
        return [max(wide, head) if wide else 0 for wide, head in zip(natural, heads, strict=True)]

    @property
    def _width(self) -> int:
        """Cells of a row, without the scrollbar."""
        return self.scrollable_content_region.width

    def _resized(self) -> None:
        self.virtual_size = Size(self.size.width, max(len(self._items), 1) + self.heads)

    def on_resize(self) -> None:
        """Columns follow the width."""
        self._resized()
        self._into_view()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line of what is in sight."""
        width = self._width
        if self.heads and y == 0:
            return strip(self._laid([Piece(column.head, Ink.FAINT) for column in self._columns]), width)
        number = y + self.scroll_offset.y - self.heads
        if number < len(self._items):
            chosen = self.has_focus and number == self._cursor
            return strip(self._laid(self._cells(self._items[number])), width, chosen=chosen)
        if not self._items and number == 0:
            return strip([Piece(_NO_MATCH if self._all else self.empty, Ink.FAINT)], width)
        return Strip.blank(width, style_of(None))

    def _laid(self, cells: Cells) -> list[Piece]:
        laid: list[Piece] = []
        wide = widths(self._columns, self._natural, self._width)
        for column, cell, width in zip(self._columns, cells, wide, strict=True):
            if width:
                laid += [Piece(" " * GAP)] if laid else []
                laid.append(Piece(fitted(cell.text, width, right=column.right), cell.ink))
        return laid

    def action_move(self, by: int) -> None:
        """Move the cursor by rows."""
        self._move_to(self._cursor + by)

    def action_page(self, by: int) -> None:
        """Move the cursor by screenfuls."""
        self._move_to(self._cursor + by * max(self.size.height - 1, 1))

    def action_edge(self, last: int) -> None:
        """Move the cursor to the first or the last row."""
        self._move_to(len(self._items) if last else 0)

    def action_choose(self) -> None:
        """Open the row under the cursor."""
        if self.item is not None:
            self.post_message(RowChosen(self.item))

    def on_click(self, event: Click) -> None:
        """Move the cursor to the row; a second click opens it."""
        number = event.y + self.scroll_offset.y - self.heads
        if 0 <= number < len(self._items):
            if number == self._cursor:
                self.action_choose()
            else:
                self._move_to(number)

    def _move_to(self, number: int) -> None:
        self._cursor = min(max(number, 0), max(len(self._items) - 1, 0))
        self._into_view()
        self.refresh()

    def _into_view(self) -> None:
        row = Region(0, self._cursor + (self.heads if self._cursor else 0), 1, 1)
        self.scroll_to_region(row, animate=False, immediate=True)

    def on_focus(self) -> None:
        """The cursor appears."""
        self.refresh()

    def on_blur(self) -> None:
        """The cursor goes."""
        self.refresh()
