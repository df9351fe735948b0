"""A fair lock: sessions land one at a time, in the order they asked (SPEC 6)."""

from __future__ import annotations

from collections import deque
from contextlib import contextmanager
from threading import Condition
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Turns:
    """A lock granted in order of request."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._queue: deque[object] = deque()

    @property
    def taken(self) -> bool:
        """Whether the lock is held."""
        return bool(self._queue)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for all earlier requests, then hold the lock."""
        ticket = object()
        with self._changed:
            self._queue.append(ticket)
            self._changed.wait_for(lambda: self._queue[0] is ticket)
        try:
            yield
        finally:
            with self._changed:
                self._queue.popleft()
                self._changed.notify_all()
