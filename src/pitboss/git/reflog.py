"""Reads the reflogs of HEAD and stash, which name commits that an agent made and dropped (SPEC 1.2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.patterns import lazy_pattern
from pitboss.git.coarse_clock import earliest_second
from pitboss.git.objects import commits_among

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from pitboss.git.repo import Repo

_STASH = lazy_pattern(rb"(?:WIP on|On) ([^:]+):")


class Reflog:
    """The reflogs of HEAD and stash, read as files: their size tells whether anything happened.

    `branch` was checked out when work began. A branch that `private` matches belongs to one working tree: a stash made
    on another such branch is not this tree's.
    """

    def __init__(self, repo: Repo, branch: str, *, private: re.Pattern[str] | None = None) -> None:
        self._repo = repo
        self._branch = branch
        self._private = private
        self._head = repo.inside("logs", "HEAD")
        self._stash = repo.common_dir / "logs" / "refs" / "stash"
        self._marked: int | None = None

    def mark(self) -> None:
        """Remember where HEAD's reflog ends now."""
        self._marked = _size(self._head)

    def has_grown(self) -> bool:
        """Whether HEAD moved since `mark`, even if it came back."""
        return _size(self._head) != self._marked

    def last_moved_at(self) -> int | None:
        """When HEAD last moved, in seconds since the epoch; None if its reflog does not say."""
        entries = list(_entries(self._head))
        return entries[-1].at if entries else None

    def commits_since_mark(self, started_at: datetime) -> list[str]:
        """Commits made, not merely visited, since `mark`; stashes made since `started_at`.

        The stash is read only if HEAD's reflog grew, since stashing always makes it grow.
        """
        if not self.has_grown():
            return []
        new = _entries(self._head, min(self._marked or 0, _size(self._head)))
        return _made([*new, *self._stashed(started_at)])

    def commits_since(self, base: str, started_at: datetime) -> list[str]:
        """The same for work that began earlier, maybe in another process, on the commit `base`: what git still has."""
        since = earliest_second(started_at)
        entries = [entry for entry in _entries(self._head) if entry.at >= since]
        made = _made([*entries[self._start(entries, base) :], *self._stashed(started_at)])
        return commits_among(self._repo, made)  # an agent may have had git prune some, or have broken them

    def _start(self, entries: list[_Entry], base: str) -> int:
        """How many of the entries came before the work began.

        A working tree that had another private branch in the same second switched to its own.
        """
        if self._private is not None and self._private.fullmatch(self._branch):
            to_own = f" to {self._branch}".encode()
            moved = (nth for nth, entry in enumerate(entries, 1) if entry.what.endswith(to_own))
            if start := next(moved, 0):
                return start
        return max((nth for nth, e in enumerate(entries, 1) if e.commit == base and e.is_arrival), default=0)

    def _stashed(self, started_at: datetime) -> list[_Entry]:
        """All working trees share one stash: an entry named after another private branch is not ours."""
        since = earliest_second(started_at)
        return [e for e in _entries(self._stash) if e.at >= since and self._may_be_own(e.stashed_on)]

    def _may_be_own(self, branch: str) -> bool:
        return branch == self._branch or self._private is None or not self._private.fullmatch(branch)


class _Entry(NamedTuple):
    commit: str
    at: int
    what: bytes

    @property
    def is_visit(self) -> bool:
        """Whether HEAD merely moved to a commit that already existed."""
        return self.what.startswith((b"checkout:", b"reset:", b"pitboss:"))

    @property
    def stashed_on(self) -> str:
        """The branch that a stash was made on; empty if the entry does not say."""
        found = _STASH.match(self.what)
        return os.fsdecode(found[1]) if found else ""

    @property
    def is_arrival(self) -> bool:
        """Whether the branch was moved to this commit, rather than HEAD returning to it."""
        return not self.what.startswith((b"checkout:", b"reset:", b"rebase"))


def _made(entries: Iterable[_Entry]) -> list[str]:
    made = (entry.commit for entry in entries if not entry.is_visit and entry.commit.strip("0"))
    return list(dict.fromkeys(made))


def _entries(log: Path, offset: int = 0) -> Iterator[_Entry]:
    for line in _tail(log, offset).splitlines():
        fields, _, what = line.partition(b"\t")
        words = fields.split()
        if len(words) >= 4 and words[-2].isdigit():
            yield _Entry(words[1].decode(), int(words[-2]), what)


def _tail(log: Path, offset: int) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(offset)
            return file.read()
    except FileNotFoundError:
        return b""


def _size(log: Path) -> int:
    try:
        return os.stat(log).st_size  # noqa: PTH116 - on a fast path
    except FileNotFoundError:
        return 0
