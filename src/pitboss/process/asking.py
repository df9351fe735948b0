"""Decides when a command's supervisor asks whether the command must stop (SPEC 6)."""

from __future__ import annotations

import math
import os
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pitboss.core.announced_stop import AnnouncedStop

if TYPE_CHECKING:
    from pitboss.core.announced_stop import WhyStop
    from pitboss.core.stops import StopRequest

POLL_S = 0.1
"""Seconds between two questions. An announced stop is asked less often, but at once when it calls."""


class StopInquiry:
    """Asks `stop` every `POLL_S` seconds; an announced one only when it calls, when it is due, and after output.

    Only the supervisor's thread uses it; `now` is its clock. `descriptor` can be read once the stop has called.
    """

    def __init__(self, stop: WhyStop | None, now: float) -> None:
        self.due_at = math.inf if stop is None else now + POLL_S
        self.descriptor: int | None = None
        self._stop = stop
        self._asked_at = now
        self._open = ExitStack()
        if isinstance(stop, AnnouncedStop) and sys.platform == "linux":
            self._listen(stop)

    def _listen(self, stop: AnnouncedStop) -> None:
        try:
            called = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        except OSError:
            return
        self._open.callback(os.close, called)
        self._open.enter_context(stop.calling(lambda: os.eventfd_write(called, 1)))
        self.descriptor = called

    def hear(self) -> None:
        """The stop has called: ask now."""
        if self.descriptor is not None:
            os.eventfd_read(self.descriptor)
            self._ask_by(self._asked_at)

    def note_output(self) -> None:
        """The command has printed something, which may be a reason to stop it."""
        self._ask_by(self._asked_at + POLL_S)

    def _ask_by(self, due_at: float) -> None:
        if self._stop is not None:
            self.due_at = min(self.due_at, due_at)

    def ask(self, now: float, *, again_at: float) -> StopRequest | None:
        """Ask if it is time to; an announced stop is asked again at `again_at` at the latest."""
        if self._stop is None or now < self.due_at:
            return None
        self._asked_at = now
        request = self._stop()
        self.due_at = now + POLL_S
        if isinstance(self._stop, AnnouncedStop) and self.descriptor is not None:
            self.due_at = max(self.due_at, min(now + self._stop.due_s(), again_at))
        return request

    def give_up(self) -> None:
        """Never ask again."""
        self._stop, self.due_at = None, math.inf

    def close(self) -> None:
        """Stop listening."""
        self.descriptor = None
        self._open.close()
