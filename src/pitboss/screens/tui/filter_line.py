"""A line for the words of a filter; textual's input field is loaded only when somebody wants it."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import Input


class FilterLine(Input):
    """A line for the words of a filter; it goes when it is left empty."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "clear", show=False, priority=True)]

    def action_clear(self) -> None:
        """End the filter."""
        self.value = ""
        self.post_message(self.Submitted(self, ""))
