"""What the screens of the TUI share: they look at files now and then, and draw what is new (SPEC 10)."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding, BindingType
from textual.screen import Screen

from pitboss.screens.tui.bars import KeyLine, Lines
from pitboss.screens.tui.keys import KEYS
from pitboss.screens.tui.wishes import DrawAgain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.app import ComposeResult
    from textual.widgets import Input

    from pitboss.screens.tui.pieces import Piece
    from pitboss.screens.tui.run_reader import RunReader
    from pitboss.screens.tui.table import RowTable


class LiveScreen(Screen[None]):
    """A screen about files that another process writes. `look` runs beside the event loop, `draw` in it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *(Binding(key.bound, key.action, show=False) for key in KEYS if key.action),
        Binding("shift+tab", "part(-1)", show=False),
        Binding("minus", "app.cap(-1)", show=False),
    ]

    reader: RunReader | None = None
    """What reads the run that it is about, if it is about one."""

    look_s = 0.25
    """Seconds between two looks; nothing is drawn more often than that unless a key is pressed."""

    is_fresh = True
    """Whether it has not been drawn since it came on."""

    def hurry(self) -> None:
        """Look and draw again at once."""
        self.is_fresh = True
        self.post_message(DrawAgain())

    @abstractmethod
    def look(self) -> bool:
        """Read what is new; whether anything is. It may take its time, and touches no widget."""

    @abstractmethod
    def draw(self, now: datetime) -> None:
        """Show what the last look found."""

    @abstractmethod
    def body(self) -> ComposeResult:
        """The widgets between the top and the keys."""

    @property
    @abstractmethod
    def hints(self) -> Sequence[str]:
        """The keys that the bottom line names, by what they do, most useful first."""

    @property
    def seq_in_flight(self) -> int | None:
        """The session in flight that the cursor is on."""
        return None

    @property
    def rescue_ref(self) -> str | None:
        """The rescued work of the session that the cursor is on."""
        return None

    @property
    def ages(self) -> bool:
        """Whether what it shows changes with time alone."""
        return True

    @property
    def tables(self) -> Sequence[RowTable[Any]]:
        """The tables that a filter is for."""
        return ()

    def compose(self) -> ComposeResult:
        """The top, the body, the last answer, and the keys."""
        yield Lines(id="top")
        yield from self.body()
        yield Lines(id="answer")
        yield KeyLine()

    def action_part(self, by: int) -> None:
        """Move to the next part, if there are several."""

    def action_look(self, page: str) -> None:
        """Show a page of the session under the cursor, if there is one."""

    def show_top(self, lines: Sequence[Sequence[Piece]]) -> None:
        """Replace the lines at the top."""
        self.query_one("#top", Lines).show(lines)

    def show_hints(self) -> None:
        """Name the keys that are of use now."""
        self.query_one(KeyLine).show(self.hints)

    def show_answer(self, line: Sequence[Piece]) -> None:
        """Show a line above the keys; an empty one takes no room."""
        self.query_one("#answer", Lines).show([line] if line else [])

    async def action_filter(self) -> None:
        """Open the line for the words of a filter."""
        from pitboss.screens.tui.filter_line import FilterLine

        if not self.tables:
            return
        found = self.query(FilterLine)
        if not found:
            await self.mount(
                FilterLine(placeholder="only rows with these words"), before=self.query_one("#answer")
            )
        self.query_one(FilterLine).focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Sift while the words are typed."""
        for table in self.tables:
            table.filter(event.value)
        self.hurry()

    async def on_input_submitted(self, event: Input.Submitted) -> None:
        """Back to the rows; an empty line goes."""
        if not event.value.strip():
            await event.input.remove()
        shown = [table for table in self.tables if table.display]
        next((table for table in shown if table.items), shown[0]).focus()
