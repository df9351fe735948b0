"""What people ask of a live run: drain, abort, skip; by signal, `control/` file or skip file (SPEC 5, 6)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING

from pitboss.core.stops import StopBy, StopLevel, StopRequest
from pitboss.store.mailbox import Request, take_requests
from pitboss.store.opening import remove

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pitboss.guardian import StopChannel
    from pitboss.store.paths import RunPaths

LISTEN_S = 0.25
LOOK_EVERY_S = 0.1
"""However many sessions ask, the files in which people ask for something are looked at this often."""


class Control:
    """Gathers the requests to one run and to each of its sessions; safe to call from every session's thread.

    Asked many times a second by every session, so files are looked at every `look_every_s` seconds only. A request to
    skip is taken away once it is seen, and concerns the sessions that are in flight then, never a later one.
    """

    def __init__(
        self,
        channel: StopChannel,
        paths: RunPaths,
        skip_path: Path,
        on_raise: Callable[[StopLevel, StopBy], None],
        *,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._channel = channel
        self._paths = paths
        self._skip_path = skip_path
        self._on_raise = on_raise
        self._level = StopLevel.NONE
        self._look_every_s = look_every_s
        self._look_at = float("-inf")
        self._in_flight: set[int] = set()
        self._skipped: set[int] = set()
        self._lock = RLock()

    def level(self) -> StopLevel:
        """How urgently the run is to end; it never goes down again."""
        with self._lock:
            self._raise_to(self._channel.level(), StopBy.SIGNAL)
            if time.monotonic() >= self._look_at:
                self._look()
            return self._level

    def abort(self) -> None:
        """Ask for an abort on the run's own account, such as after an internal error."""
        with self._lock:
            self._raise_to(StopLevel.ABORT, StopBy.PITBOSS)

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

    def began(self, seq: int) -> None:
        """From now on requests concern session `seq` too; call it before anybody can see that it is in flight."""
        with self._lock:
            self._look()
            self._in_flight.add(seq)

    def ended(self, seq: int) -> None:
        """Requests concern session `seq` no more."""
        with self._lock:
            self._in_flight.discard(seq)
            self._skipped.discard(seq)

    def abort_session(self) -> StopRequest | None:
        """Whether what runs now is to stop although it is no work that could be skipped."""
        return StopRequest.ABORT if self.level() is StopLevel.ABORT else None

    def stop_session(self, seq: int) -> StopRequest | None:
        """Why session `seq` is to stop, if it is."""
        with self._lock:
            return self.abort_session() or (StopRequest.SKIP if seq in self._skipped else None)

    def last_word(self, seq: int) -> StopRequest | None:
        """As `stop_session`, with what was asked for up to now, however short a time ago."""
        with self._lock:
            self._look()
            return self.stop_session(seq)

    def _look(self) -> None:
        """Take what was asked for in files."""
        self._look_at = time.monotonic() + self._look_every_s
        asked = take_requests(self._paths)
        everybody = self._skip_file_taken() or Request.SKIP in asked.run
        self._skipped |= self._in_flight if everybody else self._in_flight & asked.skip
        self._raise_to(_asked(asked.run), StopBy.REQUEST)

    def _raise_to(self, level: StopLevel, by: StopBy) -> None:
        if level > self._level:
            self._level = level
            self._on_raise(level, by)

    def _skip_file_taken(self) -> bool:
        """Whether the skip file was there and is gone now; a folder in its place asks for nothing."""
        try:
            return remove(self._skip_path)
        except OSError:
            return False


def _asked(requests: frozenset[Request]) -> StopLevel:
    if Request.ABORT in requests:
        return StopLevel.ABORT
    return StopLevel.DRAIN if Request.DRAIN in requests else StopLevel.NONE
