"""One reader for each run that pages show, however many pages and people there are (SPEC 1.7, 10)."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from pitboss.screens.web.feeds import LOOK_S

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.store.follow import Snapshot

MOST_RUNS = 8
"""How many runs are kept in memory; the one shown longest ago goes first."""


class SharedWatch:
    """A run, watched for every page that shows it."""

    def __init__(self, repo: Path, run_id: str) -> None:
        """Raises RunNotFound, AmbiguousRun."""
        from pitboss.store.run_watch import RunWatch

        self._watch = RunWatch(repo, run_id)
        self._lock = threading.Lock()
        self._looked = float("-inf")
        self._seen: Snapshot | None = None

    def look(self) -> Snapshot:
        """The run as it is now, or was a moment ago; the same value as long as nothing changes."""
        with self._lock:
            if self._seen is None or time.monotonic() - self._looked >= LOOK_S / 2:
                self._seen = self._watch.look()
                self._looked = time.monotonic()
            return self._seen


class Watches:
    """The runs of a repository that pages show."""

    def __init__(self, repo: Path) -> None:
        self._repo = repo
        self._lock = threading.Lock()
        self._watches: dict[str, SharedWatch] = {}

    def watch(self, run_id: str) -> SharedWatch:
        """The one reader of a run. Raises RunNotFound, AmbiguousRun."""
        with self._lock:
            watch = self._watches.pop(run_id, None) or SharedWatch(self._repo, run_id)
            self._watches[run_id] = watch
            if len(self._watches) > MOST_RUNS:
                del self._watches[next(iter(self._watches))]
            return watch
