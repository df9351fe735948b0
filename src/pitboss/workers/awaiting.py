"""Explains what a run waits for while none of its workers can take a session (SPEC 8, 14)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pitboss.core.events import WorkersAwaited
from pitboss.workers.roster import why_nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.events import Observer
    from pitboss.workers.roster import WorkerInfo

PAUSE_S = 2.0
"""Seconds that a run may be without a worker before screens say so."""

NOBODY_S = 15.0
"""Seconds after which a warning is due."""

LONG_S = 60.0
"""Seconds after which people who are away want to know."""


class Awaiting:
    """Watches the workers for one run; only the loop's thread calls it. `warn` is called once for a long wait."""

    def __init__(
        self, emit: Observer, warn: Callable[[str], object], now: Callable[[], float] = time.monotonic
    ) -> None:
        self._emit = emit
        self._warn = warn
        self._now = now
        self._alone_since: float | None = None
        self._idle_since: float | None = None
        self._said = WorkersAwaited()

    def look(self, workers: Sequence[WorkerInfo], address: str, *, is_idle: bool) -> None:
        """These workers are connected; `is_idle`: none of them has a session, and none can take one."""
        self._look_for_any(workers, address)
        if not is_idle:
            self._idle_since = None
            self._say(WorkersAwaited())
            return
        if self._idle_since is None:
            self._idle_since = self._now()
        idle_s = self._now() - self._idle_since
        if idle_s >= PAUSE_S:
            self._say(WorkersAwaited(why=awaited_words(workers), long=idle_s >= LONG_S))

    def _look_for_any(self, workers: Sequence[WorkerInfo], address: str) -> None:
        if any(worker.slots for worker in workers):
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = self._now()
        elif self._now() - self._alone_since > NOBODY_S:
            self._alone_since = float("inf")
            self._warn(f"the run waits for a worker: {why_nobody(workers, address)}")

    def _say(self, awaited: WorkersAwaited) -> None:
        if awaited != self._said:
            self._said = awaited
            self._emit(awaited)


def awaited_words(workers: Sequence[WorkerInfo]) -> str:
    """Why none of these workers can take a session, in a clause."""
    if not workers:
        return "none is connected"
    if any(worker.slots for worker in workers):
        return "those that are fit gave a session up, and get none for a minute"
    who = (
        "the one that is connected is" if len(workers) == 1 else f"all {len(workers)} that are connected are"
    )
    return f"{who} unfit, as `pitboss workers` explains"
