"""Remembers the trees that were read last: of one commit and the next, most are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pitboss.git.new_objects import content_of, entries_of, name_of, tree_and_parents
from pitboss.git.tree_entries import Entries, place_of, spell_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pitboss.git.repo import Repo
    from pitboss.git.tree_entries import Entry

MOST_ENTRIES = 20_000
"""Entries of all trees together that are remembered: some 5 MB."""

LARGE = 256 * 1024
"""Bytes of a tree that git reads faster."""

MOST_COMMITS = 1000


class NewTree(NamedTuple):
    """A tree that git may not have yet."""

    name: bytes
    entries: Entries
    content: bytes

    @classmethod
    def of(cls, entries: Iterable[Entry], *, hash_bytes: int) -> NewTree:
        """The tree that consists of these."""
        in_order = sorted(entries, key=place_of)
        content = spell_tree(in_order)
        name = name_of(b"tree", content, digits=2 * hash_bytes)
        return cls(bytes.fromhex(name), {entry[1]: entry for entry in in_order}, content)


class KnownTrees:
    """The trees of one repository, for one thread at a time."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._entries: dict[bytes, Entries] = {}
        self._count = 0
        self._of_commits: dict[str, bytes] = {}

    def of_commit(self, commit: str) -> bytes | None:
        """The name of a commit's tree, in bytes; None if git has to be started for it."""
        if commit not in self._of_commits:
            found = tree_and_parents(content_of(self._repo, commit))
            if found is None:
                return None
            while len(self._of_commits) >= MOST_COMMITS:
                del self._of_commits[next(iter(self._of_commits))]
            self._of_commits[commit] = bytes.fromhex(found[0])
        return self._of_commits[commit]

    def entries(self, tree: bytes) -> Entries | None:
        """What is in a tree, given by its name in bytes; None if git has to be started for it."""
        known = self._entries.get(tree)
        if known is None:
            data = content_of(self._repo, tree.hex())
            if len(data) <= LARGE:
                known = entries_of(data, digits=2 * len(tree))
            if known is not None:
                self._remember(tree, known)
        return known

    def write(self, trees: Sequence[NewTree]) -> bool:
        """Have git write trees; False if it has to be started for them."""
        kept, names = self._repo.kept_running, [tree.name.hex() for tree in trees]
        if kept is None or kept.write_objects("tree", [tree.content for tree in trees]) != names:
            return False
        for tree in trees:
            self._remember(tree.name, tree.entries)
        return True

    def _remember(self, tree: bytes, entries: Entries) -> None:
        self._count += len(entries) - len(self._entries.get(tree, ()))
        self._entries[tree] = entries
        while self._count > MOST_ENTRIES:
            self._count -= len(self._entries.pop(next(iter(self._entries))))
