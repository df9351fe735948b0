"""Sends the beats of all connections of a process, several in one go if they are due together (SPEC 14).

Waking up costs more than sending a few more beats, and beats that are sent together are answered together.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

GATHERED = 0.1
"""The share of the time between beats by which one may be early, or a loss noticed late, to be handled with others."""


class Beating(Protocol):
    """A connection that beats."""

    @property
    def beat_s(self) -> float:
        """Seconds between two of its beats."""
        ...

    def beat_by(self, now: float, early_s: float) -> float | None:
        """Beat if that is due within `early_s`; returns when to call it again, None if it has been given up."""
        ...


class Heartbeat:
    """Calls connections when their beat is due; only the thread of the event loop uses it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._beating: dict[int, Beating] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due = float("inf")

    def add(self, what: Beating) -> None:
        """The other side has just been heard."""
        self._beating[id(what)] = what
        self._plan(time.monotonic() + what.beat_s)

    def remove(self, what: Beating) -> None:
        """It no longer beats."""
        self._beating.pop(id(what), None)
        if not self._beating and self._timer is not None:
            self._timer.cancel()
            self._timer, self._due = None, float("inf")

    def _plan(self, due: float) -> None:
        if due < self._due:
            if self._timer is not None:
                self._timer.cancel()
            self._due = due
            self._timer = self._loop.call_later(max(0.0, due - time.monotonic()), self._pass)

    def _pass(self) -> None:
        now, soonest = time.monotonic(), float("inf")
        self._timer, self._due = None, float("inf")
        early_s = GATHERED * min(each.beat_s for each in self._beating.values())
        for key, each in list(self._beating.items()):
            due = each.beat_by(now, early_s)
            if due is None:
                del self._beating[key]
            else:
                soonest = min(soonest, due)
        if self._beating:
            self._plan(max(soonest, now + early_s))
