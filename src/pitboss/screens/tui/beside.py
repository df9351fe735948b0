"""What a run's screen reads beside the run: the queued tasks and the agents' shared notes (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.store.queue import Queue, QueueReader
from pitboss.store.run_watch import stamp_of
from pitboss.store.tail import last_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.store.paths import RunPaths

_NOTES = 64 * 1024
"""Bytes at the end of the scratchpad that are shown: the newest notes are there."""


class Beside:
    """Queue and scratchpad, read again when they have changed."""

    def __init__(self, repo: Path, paths: RunPaths) -> None:
        self._reader = QueueReader(repo)
        self._scratchpad = paths.scratchpad
        self._stamp: tuple[int, ...] | None = None
        self.queue = Queue()
        self.notes = ""

    def look(self) -> bool:
        """Whether anything is new. Raises nothing: what cannot be read is not shown."""
        before, self.queue = self.queue, self._reader.read()
        return self._look_at_notes() or self.queue != before

    def _look_at_notes(self) -> bool:
        stamp = stamp_of(self._scratchpad)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        try:
            tail, is_cut = last_bytes(self._scratchpad, _NOTES)
        except OSError:
            tail, is_cut = b"", False
        whole = tail.partition(b"\n")[2] if is_cut else tail
        self.notes = whole.decode(errors="replace")
        return True
