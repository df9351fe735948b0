"""Merges two commits that changed different files, where none can be renamed, without starting a process (SPEC 6).

Git takes a file for renamed if it is gone from one place, and the same side has a new one elsewhere. So no side may
both add and delete files. And where one side at most changed each path, no contents are merged, and no attribute
matters: the merged tree is one side's, with what the other changed put in. In any other case git has to merge.
"""

from __future__ import annotations

from enum import Enum
from threading import Lock
from typing import TYPE_CHECKING

from pitboss.git.known_trees import KnownTrees, NewTree
from pitboss.git.replacements import Replacements
from pitboss.git.tree_entries import FILES, FOLDER, Entries

if TYPE_CHECKING:
    from pitboss.git.repo import Repo
    from pitboss.git.tree_entries import Entry

MOST_TREES = 256
"""Trees looked at for one merge: with more of them git is as fast."""

MOST_WRITTEN = 32
"""Trees written for one merge."""


class DisjointChanges:
    """Merges of one repository. Safe to call from any thread."""

    def __init__(self, repo: Repo) -> None:
        self._known = KnownTrees(repo)
        self._replacements = Replacements(repo)
        self._lock = Lock()

    def merge(self, base: str, ours: str, theirs: str) -> str | None:
        """The merged tree of two commits that both descend from `base`; None if git has to merge them.

        All are full names. Neither may contain the other, nor anything else that both have but `base` lacks.
        """
        with self._lock:
            trees = [self._known.of_commit(commit) for commit in (base, ours, theirs)]
            if None in trees or len(set(trees)) < len(trees) or self._replacements.may_exist():
                return None
            walk = _Walk(self._known)
            try:
                merged = walk.merged(*filter(None, trees))
            except _LeftToGitError:
                return None
            return merged.hex() if walk.write() else None


class _LeftToGitError(Exception):
    """What the two sides did is more than git's rules are known for here, or more than is worth looking at."""


class _Side(Enum):
    OURS = 1
    THEIRS = 2


class _Walk:
    """One merge, tree by tree. All names of objects are in bytes. Everything raises _LeftToGitError."""

    def __init__(self, known: KnownTrees) -> None:
        self._known = known
        self._seen = 0
        self._added: set[_Side] = set()
        self._deleted: set[_Side] = set()
        self._new: list[NewTree] = []

    def merged(self, base: bytes, ours: bytes, theirs: bytes) -> bytes:
        """The merged tree of three that all differ."""
        old, our, their = (self._entries(tree) for tree in (base, ours, theirs))
        found = {
            name: entry
            if entry == our.get(name) == their.get(name)
            else self._merged_entry(entry, our.get(name), their.get(name))
            for name, entry in old.items()
        }
        new = (our.keys() | their.keys()) - old.keys()
        found |= {name: self._merged_entry(None, our.get(name), their.get(name)) for name in new}
        made = [entry for entry in found.values() if entry is not None]
        if not made:
            raise _LeftToGitError
        self._new.append(NewTree.of(made, hash_bytes=len(base)))
        return self._new[-1].name

    def _merged_entry(self, old: Entry | None, our: Entry | None, their: Entry | None) -> Entry | None:
        if old == our:
            self._check(old, their, _Side.THEIRS)
            return their
        if old == their:
            self._check(old, our, _Side.OURS)
            return our
        if old is None or our is None or their is None or our == their:
            raise _LeftToGitError
        if {old[0], our[0], their[0]} != {FOLDER}:
            raise _LeftToGitError
        return FOLDER, old[1], self.merged(old[2], our[2], their[2])

    def _check(self, old: Entry | None, new: Entry | None, side: _Side) -> None:
        """Nothing but plain files may differ, and none of them be renamed."""
        modes = {entry[0] for entry in (old, new) if entry is not None}
        if modes == {FOLDER}:
            before, after = (self._entries(entry[2]) if entry else Entries() for entry in (old, new))
            for name in before.keys() | after.keys():
                if before.get(name) != after.get(name):
                    self._check(before.get(name), after.get(name), side)
            return
        if old is None:
            self._added.add(side)
        if new is None:
            self._deleted.add(side)
        if not modes <= FILES or self._added & self._deleted:
            raise _LeftToGitError

    def _entries(self, tree: bytes) -> Entries:
        """What is in a tree; one that is empty is for git."""
        self._seen += 1
        found = self._known.entries(tree) if self._seen <= MOST_TREES else None
        if not found:
            raise _LeftToGitError
        return found

    def write(self) -> bool:
        """Have the new trees written, the inner ones first; False if that has to be left to git."""
        return len(self._new) <= MOST_WRITTEN and self._known.write(self._new)
