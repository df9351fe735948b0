"""What all programs of ours on a terminal share: colors, and an end that leaves the terminal as it was (SPEC 10)."""

from __future__ import annotations

import asyncio
import os
import signal
import termios
from contextlib import suppress
from threading import Timer
from typing import TYPE_CHECKING, ClassVar

from textual.app import App
from textual.binding import Binding, BindingType

if TYPE_CHECKING:
    from types import FrameType

STDIN = 0
LAST_WORDS_S = 2.0  # for a terminal to take what leaving it writes


class OrderlyApp(App[None]):
    """Ends in order on SIGTERM and SIGHUP, and after an error, which is its `failure`."""

    CSS_PATH = "watch.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c,ctrl+q", "leave", show=False, priority=True)]

    def __init__(self) -> None:
        super().__init__(ansi_color=True)
        self.theme = "ansi-dark"
        self.failure: Exception | None = None
        self._signum = 0
        self._busy: asyncio.AbstractEventLoop | None = None

    def on_load(self) -> None:
        """Before the terminal is taken over."""
        self._busy = asyncio.get_running_loop()

    def show(self) -> None:
        """Take over the terminal until the user leaves or a signal comes."""
        self._before = termios.tcgetattr(STDIN)
        for signum in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(signum, self._end_by)
        self.run()
        self._signum = 0

    def _end_by(self, signum: int, _frame: FrameType | None) -> None:
        """End soon: in order, or without a word if the terminal takes no more output.

        An event loop that waits for the terminal hears no signal, so this is a handler of the main thread.
        """
        self._signum = signum
        last_resort = Timer(LAST_WORDS_S, self._end_at_once)
        last_resort.daemon = True
        last_resort.start()
        if self._busy is not None:
            with suppress(RuntimeError):  # it is over
                self._busy.call_soon_threadsafe(self.exit)

    def _end_at_once(self) -> None:
        if not self._signum:
            return
        with suppress(termios.error):  # it is gone
            termios.tcsetattr(STDIN, termios.TCSANOW, self._before)
        os._exit(128 + self._signum)

    def _handle_exception(self, error: Exception) -> None:
        """End in order; whoever started this says what went wrong."""
        self.failure = self.failure or error
        self.exit(return_code=1)

    def action_leave(self) -> None:
        """Quit; runs go on."""
        self.exit()
