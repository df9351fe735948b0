"""Merges two commits that only edit files, and different ones, without starting a process (SPEC 6).

Then no path is new or gone, so that git would find nothing renamed, and no file where the other side has a folder; no
file was edited on both sides, so that no contents are merged and no attribute matters. The merged tree is that of one
side with the entries that the other changed. In any other case git has to merge.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from pitboss.git.known_trees import KnownTrees, NewTree
from pitboss.git.replacements import Replacements
from pitboss.git.tree_entries import FILES, FOLDER

if TYPE_CHECKING:
    from pitboss.git.repo import Repo
    from pitboss.git.tree_entries import Entries, Entry

MOST_TREES = 256
"""Trees looked at for one merge: with more of them git is as fast."""

MOST_WRITTEN = 32
"""Trees written for one merge."""


class DisjointEdits:
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
    """What the two sides did is more than edits of different files, or more than is worth looking at here."""


class _Walk:
    """One merge, tree by tree. All names of objects are in bytes."""

    def __init__(self, known: KnownTrees) -> None:
        self._known = known
        self._seen = 0
        self._new: list[NewTree] = []

    def merged(self, base: bytes, ours: bytes, theirs: bytes) -> bytes:
        """The merged tree of three that all differ. Raises _LeftToGitError."""
        sides = [self._entries(tree) for tree in (base, ours, theirs)]
        if len({len(entries) for entries in sides}) > 1:
            raise _LeftToGitError
        made = tuple(
            [
                old if old == our == their else self._merged_entry(old, our, their)
                for old, our, their in zip(*sides, strict=True)
            ]
        )
        self._new.append(NewTree.of(made, hash_bytes=len(base)))
        return self._new[-1].name

    def _merged_entry(self, old: Entry, our: Entry, their: Entry) -> Entry:
        if old in (our, their):
            new = their if old == our else our
            self._check_edit(old, new)
            return new
        if {old[:2], our[:2], their[:2]} != {(FOLDER, old[1])} or our == their:
            raise _LeftToGitError
        return FOLDER, old[1], self.merged(old[2], our[2], their[2])

    def _check_edit(self, old: Entry, new: Entry) -> None:
        """Nothing but files that were there before may differ. Raises _LeftToGitError."""
        modes = {old[0], new[0]}
        if old[1] != new[1] or not (modes <= FILES or modes == {FOLDER}):
            raise _LeftToGitError
        if modes == {FOLDER}:
            before, after = self._entries(old[2]), self._entries(new[2])
            if len(before) != len(after):
                raise _LeftToGitError
            for was, now in zip(before, after, strict=True):
                if was != now:
                    self._check_edit(was, now)

    def _entries(self, tree: bytes) -> Entries:
        self._seen += 1
        found = self._known.entries(tree) if self._seen <= MOST_TREES else None
        if found is None:
            raise _LeftToGitError
        return found

    def write(self) -> bool:
        """Have the new trees written, the inner ones first; False if that has to be left to git."""
        return len(self._new) <= MOST_WRITTEN and self._known.write(self._new)
