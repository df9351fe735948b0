"""Sends the beats of all connections of a process, several in one go if they are due together (SPEC 14).

Waking up costs more than sending a few more beats, and beats that are sent together are answered together.
"""

from __future__ import annotations

import time
from heapq import heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import asyncio

GATHERED = 0.05
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
        self._numbers = count()
        self._beating: dict[int, Beating] = {}
        self._calls: list[tuple[float, int]] = []
        """A heap: when to call whom, without looking at all of them. Some may have been removed."""
        self._early_s = float("inf")
        self._timer: asyncio.TimerHandle | None = None
        self._at = float("inf")

    def add(self, what: Beating) -> int:
        """The other side has just been heard; returns the number by which to remove it."""
        number = next(self._numbers)
        self._beating[number] = what
        self._early_s = min(self._early_s, GATHERED * what.beat_s)
        heappush(self._calls, (time.monotonic() + what.beat_s, number))
        self._plan(self._calls[0][0])
        return number

    def remove(self, number: int) -> None:
        """It no longer beats."""
        self._beating.pop(number, None)
        if not self._beating and self._timer is not None:
            self._timer.cancel()
            self._timer, self._at, self._early_s = None, float("inf"), float("inf")
            self._calls.clear()

    def _plan(self, at: float) -> None:
        if at < self._at:
            if self._timer is not None:
                self._timer.cancel()
            self._at = at
            self._timer = self._loop.call_later(max(0.0, at - time.monotonic()), self._pass)

    def _pass(self) -> None:
        self._timer, self._at = None, float("inf")
        now, due = time.monotonic(), list[int]()
        while self._calls and self._calls[0][0] <= now + self._early_s:
            due.append(heappop(self._calls)[1])
        for number in due:
            each = self._beating.get(number)
            again = None if each is None else each.beat_by(now, self._early_s)
            if again is None:
                self._beating.pop(number, None)
            else:
                heappush(self._calls, (again, number))
        if self._calls:
            self._plan(max(self._calls[0][0], now + self._early_s))
