"""Remembers the commits by which a branch grew while each of them had one parent, the one before."""

from __future__ import annotations


class StraightLine:
    """The latest such commits: nothing else can be in the history between two of them."""

    def __init__(self) -> None:
        self._end: str | None = None
        self._commits: set[str] = set()

    def __contains__(self, commit: str) -> bool:
        return commit in self._commits

    def add(self, commit: str, parents: tuple[str, ...]) -> None:
        """The branch has moved to a commit. Unless that goes on with the line, a new one begins there."""
        if self._end is None or parents != (self._end,):
            self._commits = set(parents) if len(parents) == 1 else set()
        self._commits.add(commit)
        self._end = commit

    def leads(self, older: str, newer: str) -> bool:
        """Whether it leads from one commit to another, at its end."""
        return newer == self._end and older in self._commits
