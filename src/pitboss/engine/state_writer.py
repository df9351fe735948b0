"""Writes a run's state once for all threads that have changed it (SPEC 7).

The file holds all sessions in flight, so it grows with their number. In a crowd it is written only now and then,
once a second for a thousand sessions, for all threads that have asked meanwhile.
"""

from __future__ import annotations

import time
from threading import Condition, Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import RLock

    from pitboss.core.run import RunState
    from pitboss.store.rundir import RunDir

CROWD = 50
"""With more sessions in flight than these, threads share writes of the state, even if they wait longer for it."""

SHARED_S = 0.001
"""Seconds between two writes of the state in a crowd, for each session in flight."""

LONGEST_REST_S = 1.0
"""The longest time between two such writes, in seconds."""

APART_S = 0.02
"""Seconds between threads that go on after the same write; less if there are too many of them until the next one."""

LOOP_FIRST = 1.5
"""A session waits so many times as long as the loop before it writes by itself: the loop's write serves all."""


class StateWriter:
    """Writes the `latest` state and its version, which only grows; `lock` guards both."""

    def __init__(self, rundir: RunDir, lock: RLock, latest: Callable[[], tuple[RunState, int]]) -> None:
        self._rundir = rundir
        self._latest = latest
        self._news = Condition(lock)
        self._writing = Lock()
        self._written = 0
        self._durable = 0
        self._rests_until = 0.0
        self._waiting = 0
        self._gone_on = 0
        self._apart_s = 0.0

    @property
    def is_crowded(self) -> bool:
        """Whether so many sessions are in flight that they share writes."""
        return self._in_flight > CROWD

    def rest_s(self) -> float:
        """For how many seconds the next write should wait for others to share it; 0 unless there is a crowd."""
        return max(0.0, self._rests_until - time.monotonic()) if self.is_crowded else 0.0

    def write(self, *, durable: bool, at_once: bool = False, apart: bool = False) -> None:
        """Write the current state, unless another thread has done so since the caller changed it.

        The write is not under the lock, so that a record need not wait for it. A thread that waits here may find a
        later state written. In a crowd it waits for that, unless it is the loop, which writes `at_once`; changes that
        need not be durable are left to `keep_up`. Threads `apart`, which must hold no lock, go on one after another
        when they have waited for the same write.
        """
        pause_s = 0.0
        with self._news:
            wanted = self._latest()[1]
            if self.is_crowded and not at_once:
                if not durable:
                    return
                if self._was_served(wanted) and apart:
                    pause_s = self._gone_on * self._apart_s
                    self._gone_on += 1
        with self._writing:
            if wanted > (self._durable if durable else self._written):
                self._write(durable=durable)
        if pause_s:
            time.sleep(pause_s)

    def _was_served(self, wanted: int) -> bool:
        """Wait until another thread has made that version durable, but not for ever; says whether one has."""
        self._waiting += 1
        try:
            return self._news.wait_for(lambda: wanted <= self._durable, LOOP_FIRST * self.rest_s())
        finally:
            self._waiting -= 1

    def keep_up(self) -> None:
        """In a crowd, write changes that no thread waits for, unless the last write was a moment ago."""
        if self.is_crowded and not self.rest_s():
            self.write(durable=False, at_once=True)

    @property
    def _in_flight(self) -> int:
        return len(self._latest()[0].in_flight)

    def _write(self, *, durable: bool) -> None:
        with self._news:
            state, version = self._latest()
        self._rundir.checkpoint(state, durable=durable)
        with self._news:
            self._written = version
            self._durable = version if durable else self._durable
            rest_s = min(LONGEST_REST_S, self._in_flight * SHARED_S)
            self._rests_until = time.monotonic() + rest_s
            self._apart_s = min(APART_S, rest_s / (self._waiting + 1))
            self._gone_on = 0
            self._news.notify_all()
