"""Finds dropped stashes, which no reflog names, among the new objects (SPEC 1.2)."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.git.coarse_clock import TICK_NS, earliest_ns
from pitboss.git.objects import commits_among
from pitboss.git.stash_origin import StashOrigin
from pitboss.store.stamps import users_stamp

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator
    from datetime import datetime

    from pitboss.git.repo import Repo
    from pitboss.store.stamps import Stamp

_STASH = lazy_pattern(r"(?:WIP on|On) ([^:]+): ")
_ID = lazy_pattern(r"[0-9a-f]{38}(?:[0-9a-f]{24})?")
_FORMAT = ("log", "--no-walk=unsorted", "--stdin", "--no-show-signature", "--format=%H %s")


class Stashes:
    """The stash of one repository during work on `branch`; two file stats tell whether it was touched.

    A branch that `private` matches belongs to one working tree.
    """

    def __init__(self, repo: Repo, branch: str, *, private: re.Pattern[str]) -> None:
        self._repo = repo
        self._origin = StashOrigin(repo, branch, private=private)
        logs = repo.common_dir / "logs" / "refs"
        self._watched = (logs, logs / "stash")
        self._seen: list[Stamp | None] | None = None
        self._since_ns = 0

    def mark(self) -> None:
        """Remember the stash as it is now."""
        self._seen = self._look()
        self._since_ns = time.time_ns() - TICK_NS

    def touched(self) -> bool:
        """Whether there may have been a stash since `mark`; always true if `mark` was in another process."""
        return self._look() != self._seen

    def dropped(self, started_at: datetime) -> list[str]:
        """Stashes made since `mark`, else since `started_at`, kept or dropped. Raises GitError."""
        if not self.touched():
            return []
        since_ns = self._since_ns if self._seen is not None else earliest_ns(started_at)
        commits = commits_among(self._repo, list(self._objects(since_ns)))
        asked = "".join(f"{oid}\n" for oid in commits).encode()
        answer = os.fsdecode(self._repo.git(*_FORMAT, stdin=asked)) if asked else ""
        subjects = (line.partition(" ") for line in answer.split("\n"))
        stashes = ((oid, found[1]) for oid, _, subject in subjects if (found := _STASH.match(subject)))
        since = since_ns // 10**9
        return [oid for oid, stashed_on in stashes if self._origin.may_be_here(stashed_on, since)]

    def _objects(self, since_ns: int) -> Iterator[str]:
        """Loose objects that are at least as new."""
        for folder in os.scandir(self._repo.common_dir / "objects"):
            if len(folder.name) == 2 and folder.stat().st_mtime_ns >= since_ns:
                for file in os.scandir(folder):
                    if _ID.fullmatch(file.name) and file.stat().st_mtime_ns >= since_ns:
                        yield folder.name + file.name

    def _look(self) -> list[Stamp | None]:
        return [users_stamp(path) for path in self._watched]
