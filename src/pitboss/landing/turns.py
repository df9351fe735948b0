"""A fair lock: sessions land one at a time, in the order they asked (SPEC 6)."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from threading import Condition, Event, Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_BEHIND_S = 0.05
"""How many seconds the user's checkout may stay behind the run branch for the sake of those that are about to land."""


class Turns:
    """A lock granted in order of request."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._queue: deque[Event] = deque()
        self._nobody = Condition(self._lock)

    @property
    def taken(self) -> bool:
        """Whether the lock is held."""
        return bool(self._queue)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for all earlier requests, then hold the lock."""
        ticket = Event()
        with self._lock:
            self._queue.append(ticket)
            self._queue[0].set()
        ticket.wait()
        try:
            yield
        finally:
            with self._lock:
                self._queue.popleft()
                if self._queue:
                    self._queue[0].set()  # that one alone wakes, however many wait
                else:
                    self._nobody.notify_all()

    def let_others_go_first(self, limit_s: float) -> None:
        """Wait until nobody holds the lock or waits for it, `limit_s` seconds at most."""
        with self._nobody:
            self._nobody.wait_for(lambda: not self._queue, limit_s)
