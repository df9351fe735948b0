"""All runs of a repository, as long as a screen lists them: only what has changed is read again (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.condition import condition
from pitboss.store.catalogue import KnownRuns, RunListing, list_runs, run_of
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import lock_holder

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.condition import Condition


class RunsSeen(msgspec.Struct, frozen=True, kw_only=True):
    """Every run, last updated first, unreadable ones included, and the id of the live one, if any."""

    runs: tuple[RunListing, ...]
    live: str | None

    def condition_of(self, run: RunListing) -> Condition:
        """The condition of one of them."""
        return condition(run.state, live=run.run_id == self.live)


class RunList:
    """The runs of a repository, looked at again and again. Not for several threads at once."""

    def __init__(self, repo: Path) -> None:
        self._repo = repo
        self._known = KnownRuns()
        self._seen: RunsSeen | None = None

    def look(self) -> RunsSeen:
        """The runs as they are now; the same value as last time if nothing has changed."""
        holder = lock_holder(*lock_paths(self._repo))
        runs = tuple(list_runs(self._repo, self._known))
        seen = RunsSeen(runs=runs, live=None if holder is None else run_of(self._repo, holder))
        if self._seen is None or not _same(seen, self._seen):
            self._seen = seen
        return self._seen


def _same(one: RunsSeen, other: RunsSeen) -> bool:
    """Listings that are known from before are the same objects, which spares a comparison of their contents."""
    if one.live != other.live or len(one.runs) != len(other.runs):
        return False
    return all(a is b or a == b for a, b in zip(one.runs, other.runs, strict=True))
