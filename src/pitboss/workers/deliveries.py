"""Delivers the whole history to each worker once, even if several sessions begin there together (SPEC 14)."""

from __future__ import annotations

import time
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Delivered(NamedTuple):
    commit: str
    at: float


class Deliveries:
    """The first deliveries to the workers of one run; sessions' threads call `turn`."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._gates: dict[str, Lock] = {}
        self._last: dict[str, _Delivered] = {}

    @contextmanager
    def turn(
        self, worker: str, commit: str, has: tuple[str, ...], *, asked_at: float
    ) -> Iterator[tuple[str, ...]]:
        """Deliver `commit` in the body; yields what the worker has by then.

        It was asked at `asked_at`, on the monotonic clock, and said that it `has` these. If it had nothing, this waits
        for other sessions that are delivering to it.
        """
        if has:
            yield has
            return
        with self._lock:
            gate = self._gates.setdefault(worker, Lock())
        with gate:
            last = self._last.get(worker)
            # The worker no longer has what was delivered before it was asked.
            yield (last.commit,) if last is not None and last.at > asked_at else ()
            self._last[worker] = _Delivered(commit, time.monotonic())
