"""What people ask of a live run: drain, abort, skip; by signal or through the mailbox (SPEC 5, 6)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING

from pitboss.core.stops import StopBy, StopLevel, StopRequest
from pitboss.store.mailbox import Request, take_requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pitboss.guardian import StopChannel
    from pitboss.store.paths import RunPaths

LISTEN_S = 0.1
"""Seconds between two looks at the request files, however many sessions listen."""


class Control:
    """Gathers the requests to one run and to each of its sessions; safe to call from every session's thread.

    `listen`, `began` and `take_last_word` take in requests; everything else only reports what has been taken in.
    A request to skip concerns the sessions in flight when it is taken in, and no later one.
    """

    def __init__(
        self,
        channel: StopChannel,
        paths: RunPaths,
        on_raise: Callable[[StopLevel, StopBy], None],
        *,
        listen_every_s: float = LISTEN_S,
    ) -> None:
        self._channel = channel
        self._paths = paths
        self._on_raise = on_raise
        self._level = StopLevel.NONE
        self._listen_every_s = listen_every_s
        self._look_at = float("-inf")
        self._in_flight: set[int] = set()
        self._skipped: set[int] = set()
        self._lock = RLock()

    def level(self) -> StopLevel:
        """How urgently the run must end; never goes down."""
        return self._level

    def listen(self) -> None:
        """Take in requests made by signal, and by file unless the files were read a moment ago."""
        with self._lock:
            self._take_signals()
            if time.monotonic() >= self._look_at:
                self._take_files()

    def abort(self) -> None:
        """Abort on the run's own initiative, for example after an internal error."""
        with self._lock:
            self._raise_to(StopLevel.ABORT, StopBy.PITBOSS)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Listen in the background, even when nobody else does, for example during a commit with slow git hooks."""
        over = Event()

        def listen_on() -> None:
            while not over.wait(LISTEN_S):
                self.listen()

        listener = Thread(target=listen_on, name="control", daemon=True)
        listener.start()
        try:
            yield
        finally:
            over.set()
            listener.join()

    def began(self, seq: int) -> None:
        """From now on requests concern session `seq` too; call this before anyone can see it in flight."""
        with self._lock:
            self._take_files()
            self._in_flight.add(seq)

    def ended(self, seq: int) -> None:
        """Requests no longer concern session `seq`."""
        with self._lock:
            self._in_flight.discard(seq)
            self._skipped.discard(seq)

    def abort_session(self) -> StopRequest | None:
        """Why whatever is running must stop, if it must; for what cannot be skipped."""
        return StopRequest.ABORT if self._level is StopLevel.ABORT else None

    def stop_session(self, seq: int) -> StopRequest | None:
        """Why session `seq` must stop, if it must."""
        with self._lock:
            return self.abort_session() or (StopRequest.SKIP if seq in self._skipped else None)

    def take_last_word(self, seq: int) -> StopRequest | None:
        """Take in every request made so far, however recent, and answer like `stop_session`."""
        with self._lock:
            self._take_signals()
            self._take_files()
            return self.stop_session(seq)

    def _take_signals(self) -> None:
        self._raise_to(self._channel.level(), StopBy.SIGNAL)

    def _take_files(self) -> None:
        self._look_at = time.monotonic() + self._listen_every_s
        asked = take_requests(self._paths)
        everybody = Request.SKIP in asked.run
        self._skipped |= self._in_flight if everybody else self._in_flight & asked.skip
        self._raise_to(_asked(asked.run), StopBy.REQUEST)

    def _raise_to(self, level: StopLevel, by: StopBy) -> None:
        if level > self._level:
            self._level = level
            self._on_raise(level, by)


def _asked(requests: frozenset[Request]) -> StopLevel:
    if Request.ABORT in requests:
        return StopLevel.ABORT
    return StopLevel.DRAIN if Request.DRAIN in requests else StopLevel.NONE
