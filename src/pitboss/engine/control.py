"""What people ask of a live run: drain, abort, skip; by signal, `control/` file or skip file (SPEC 5, 6)."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING

from pitboss.guardian import StopLevel
from pitboss.process import StopRequest
from pitboss.store.follow import Request, take_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pitboss.guardian import StopChannel
    from pitboss.store.paths import RunPaths

LISTEN_S = 0.25


class Control:
    """Gathers the requests to one run; asked often, so each answer costs a few system calls at most."""

    def __init__(
        self, channel: StopChannel, paths: RunPaths, skip_path: Path, on_raise: Callable[[StopLevel], None]
    ) -> None:
        self._channel = channel
        self._paths = paths
        self._skip_path = skip_path
        self._on_raise = on_raise
        self._level = StopLevel.NONE
        self._skip = False
        self._lock = RLock()

    def level(self) -> StopLevel:
        """How urgently the run is to end; it never goes down again."""
        with self._lock:
            requests = take_requests(self._paths)
            self._skip = self._skip or Request.SKIP in requests
            level = max(self._level, self._channel.level(), _asked(requests))
            if level > self._level:
                self._level = level
                self._on_raise(level)
            return self._level

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Answer requests at once even while nobody asks, such as during a commit with slow git hooks."""
        over = Event()

        def listen() -> None:
            while not over.wait(LISTEN_S):
                self.level()

        listener = Thread(target=listen, name="control", daemon=True)
        listener.start()
        try:
            yield
        finally:
            over.set()
            listener.join()

    def forget_skips(self) -> None:
        """A skip asked for before a session began does not concern it."""
        with self._lock:
            self.level()
            self._skip = False
            with suppress(OSError):
                self._skip_path.unlink()

    def abort_session(self) -> StopRequest | None:
        """Whether what runs now is to stop although it is no work that could be skipped."""
        return StopRequest.ABORT if self.level() is StopLevel.ABORT else None

    def stop_session(self) -> StopRequest | None:
        """Why the session that runs now is to stop, if it is."""
        with self._lock:
            skipped = self._skip or self._skip_path.is_file()
            return self.abort_session() or (StopRequest.SKIP if skipped else None)


def _asked(requests: set[Request]) -> StopLevel:
    if Request.ABORT in requests:
        return StopLevel.ABORT
    return StopLevel.DRAIN if Request.DRAIN in requests else StopLevel.NONE
