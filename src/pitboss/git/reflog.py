"""Reads the reflogs of HEAD and stash, which name commits that an agent made and dropped (SPEC 1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git.coarse_clock import earliest_second
from pitboss.git.objects import commits_among
from pitboss.git.reflog_entries import entries_of, size_of
from pitboss.git.stash_origin import StashOrigin

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable
    from datetime import datetime

    from pitboss.git.reflog_entries import ReflogEntry
    from pitboss.git.repo import Repo


class Reflog:
    """The reflogs of HEAD and stash, read as files: their size tells whether anything happened.

    `branch` was checked out when work began. A branch that `private` matches belongs to one working tree.
    """

    def __init__(self, repo: Repo, branch: str, *, private: re.Pattern[str]) -> None:
        self._repo = repo
        self._branch = branch
        self._private = private
        self._origin = StashOrigin(repo, branch, private=private)
        self._head = repo.inside("logs", "HEAD")
        self._stash = repo.common_dir / "logs" / "refs" / "stash"
        self._marked: int | None = None

    def mark(self) -> None:
        """Remember where HEAD's reflog ends now."""
        self._marked = size_of(self._head)

    def has_grown(self) -> bool:
        """Whether HEAD moved since `mark`, even if it came back."""
        return size_of(self._head) != self._marked

    def commits_since_mark(self, started_at: datetime) -> list[str]:
        """Commits made, not merely visited, since `mark`; stashes made since `started_at`.

        The stash is read only if HEAD's reflog grew, since stashing always makes it grow.
        """
        if not self.has_grown():
            return []
        new = entries_of(self._head, min(self._marked or 0, size_of(self._head)))
        return _made([*new, *self._stashed(started_at)])

    def commits_since(self, base: str, started_at: datetime) -> list[str]:
        """The same for work that began earlier, maybe in another process, on the commit `base`: what git still has."""
        since = earliest_second(started_at)
        entries = [entry for entry in entries_of(self._head) if entry.at >= since]
        made = _made([*entries[self._start(entries, base) :], *self._stashed(started_at)])
        return commits_among(self._repo, made)  # an agent may have had git prune some, or have broken them

    def _start(self, entries: list[ReflogEntry], base: str) -> int:
        """How many of the entries came before the work began.

        A working tree that had another private branch in the same second switched to its own.
        """
        if self._private.fullmatch(self._branch):
            to_own = f" to {self._branch}".encode()
            moved = (nth for nth, entry in enumerate(entries, 1) if entry.what.endswith(to_own))
            if start := next(moved, 0):
                return start
        return max((nth for nth, e in enumerate(entries, 1) if e.commit == base and e.is_arrival), default=0)

    def _stashed(self, started_at: datetime) -> list[ReflogEntry]:
        since = earliest_second(started_at)
        made = [entry for entry in entries_of(self._stash) if entry.at >= since]
        return [entry for entry in made if self._origin.may_be_here(entry.stashed_on, since)]


def last_moved_at(repo: Repo) -> int | None:
    """When HEAD last moved, in seconds since the epoch; None if its reflog does not say."""
    entries = list(entries_of(repo.inside("logs", "HEAD")))
    return entries[-1].at if entries else None


def _made(entries: Iterable[ReflogEntry]) -> list[str]:
    made = (entry.commit for entry in entries if not entry.is_visit and entry.commit.strip("0"))
    return list(dict.fromkeys(made))
