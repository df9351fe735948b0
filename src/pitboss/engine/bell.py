"""Wakes whoever waits when something may have been asked of the run, so that nobody has to keep looking (SPEC 5)."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Bell:
    """Calls everyone who listens; safe to use from any thread."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[[], None]] = {}
        self._lock = Lock()

    @contextmanager
    def calling(self, wake: Callable[[], None]) -> Iterator[None]:
        """Inside, each ring calls `wake`, in the thread that rings. It must not block or raise."""
        listener = object()
        with self._lock:
            self._listeners[listener] = wake
        try:
            yield
        finally:
            with self._lock:
                del self._listeners[listener]

    @contextmanager
    def heard(self) -> Iterator[Event]:
        """Inside, each ring sets the event."""
        rung = Event()
        with self.calling(rung.set):
            yield rung

    def ring(self) -> None:
        """Wake everyone who listens."""
        with self._lock:
            for wake in self._listeners.values():
                wake()
