"""Wakes waiting threads when a request to the run may have come, so that they need not poll (SPEC 5)."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Bell:
    """Calls all listeners; safe to use from any thread."""

    def __init__(self) -> None:
        self._listeners: dict[object, Callable[[], None]] = {}
        self._lock = Lock()

    @contextmanager
    def calling(self, wake: Callable[[], None]) -> Iterator[None]:
        """Within the context, each ring calls `wake` in the thread that rings; `wake` must not block or raise."""
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
        """Within the context, each ring sets the event."""
        rung = Event()
        with self.calling(rung.set):
            yield rung

    def ring(self) -> None:
        """Wake all listeners."""
        with self._lock:
            for wake in self._listeners.values():
                wake()
