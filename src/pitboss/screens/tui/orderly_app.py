"""What all programs of ours on a terminal share: colors, and an end that leaves the terminal as it was (SPEC 10)."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType


class OrderlyApp(App[None]):
    """Ends in order on SIGTERM and SIGHUP, and after an error, which is its `failure`."""

    CSS_PATH = "watch.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c,ctrl+q", "leave", show=False, priority=True)]

    def __init__(self) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.failure: Exception | None = None

    def on_load(self) -> None:
        """Before the terminal is taken over: from here on, signals end this in order."""
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGTERM, signal.SIGHUP):
            with suppress(RuntimeError, ValueError):  # not in the main thread, as under test
                loop.add_signal_handler(signum, self.exit)

    def _handle_exception(self, error: Exception) -> None:
        """End in order; whoever started this says what went wrong."""
        self.failure = self.failure or error
        self.exit(return_code=1)

    def action_leave(self) -> None:
        """Quit; runs go on."""
        self.exit()
