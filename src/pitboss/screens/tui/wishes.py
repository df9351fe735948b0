"""What a screen asks of the whole: to be drawn again, to open something (messages of the TUI)."""

from __future__ import annotations

from typing import Any

from textual.message import Message


class RowChosen(Message):
    """Enter on a row of a table, or a click on the row that the cursor is on."""

    def __init__(self, item: Any) -> None:
        super().__init__()
        self.item = item


class DrawAgain(Message):
    """Somebody waits for this screen to look at its files and be drawn."""


class OpenRun(Message):
    """Show a run."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self.run_id = run_id


class OpenSession(Message):
    """Show a session of the run that is on, beginning with one of its pages."""

    def __init__(self, seq: int, page: str = "summary") -> None:
        super().__init__()
        self.seq = seq
        self.page = page
