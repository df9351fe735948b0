"""Tells a worker's guardian when the worker hangs, so that it ends the worker and its agents (SPEC 14)."""

from __future__ import annotations

import mmap
import struct
import time

from pitboss.core.leases import is_lost

LOOK_S = 1.0
"""Seconds between two looks of the guardian. One look decides nothing: the machine may just have woken up."""

_LAYOUT = struct.Struct("dd")


class Liveness:
    """When the worker last beat, and how long its sessions allow it to be silent; made before the fork."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, _LAYOUT.size)
        self.rest()
        self._next_look = 0.0
        self._was_lost = False

    def beat(self, patience_s: float | None) -> None:
        """In the worker: it is alive; None if it may be silent for any time."""
        _LAYOUT.pack_into(self._shared, 0, time.monotonic(), patience_s or float("inf"))

    def rest(self) -> None:
        """There is no worker at the moment."""
        _LAYOUT.pack_into(self._shared, 0, 0.0, float("inf"))

    def is_lost(self) -> bool:
        """In the guardian: whether the worker has been silent for too long, at two looks in a row."""
        now = time.monotonic()
        if now < self._next_look:
            return False
        self._next_look = now + LOOK_S
        beaten, patience_s = _LAYOUT.unpack_from(self._shared)
        before, self._was_lost = self._was_lost, is_lost(now - beaten, patience_s)
        return before and self._was_lost
