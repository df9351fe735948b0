"""Remembers the commits that a run's sessions began from, to know without git which of them a worker has (SPEC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 4096
"""How many to remember; the oldest are forgotten first."""


class Bases:
    """Tips of the run branch, each a descendant of those before it. One thread adds, any may ask."""

    def __init__(self) -> None:
        self._nth: dict[str, int] = {}
        self._next = 0

    def add(self, commit: str) -> None:
        """A session begins from `commit`, the tip of the run branch."""
        if commit in self._nth:
            return
        self._nth[commit] = self._next
        self._next += 1
        if len(self._nth) > MOST:
            del self._nth[next(iter(self._nth))]

    def __contains__(self, commit: str) -> bool:
        """Whether it is one of them, and so certainly in the runner's repository."""
        return commit in self._nth

    def is_within(self, commit: str, known: Iterable[str]) -> bool:
        """Whether a repository with the `known` commits certainly has `commit`; False if unknown."""
        nth = self._nth.get(commit)
        return any(one == commit or (nth is not None and self._nth.get(one, -1) >= nth) for one in known)
