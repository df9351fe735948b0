"""Remembers the trees that were read last: of one commit and the next, most are the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pitboss.git.new_objects import content_of_new, is_named, name_of
from pitboss.git.tree_entries import Entries, parse_tree, place_of, spell_tree

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pitboss.git.repo import Repo
    from pitboss.git.tree_entries import Entry

MOST_ENTRIES = 20_000
"""Entries of all trees together that are remembered: some 5 MB."""

LARGE = 256 * 1024
"""Bytes of a tree that git reads faster."""

MOST_COMMITS = 1000
_TREE = b"tree "


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
            heading, _, content = self._read(commit).partition(b"\0")
            tree = content[len(_TREE) : len(_TREE) + len(commit)]
            if not heading.startswith(b"commit ") or not content.startswith(_TREE):
                return None
            while len(self._of_commits) >= MOST_COMMITS:
                del self._of_commits[next(iter(self._of_commits))]
            self._of_commits[commit] = bytes.fromhex(tree.decode())
        return self._of_commits[commit]

    def entries(self, tree: bytes) -> Entries | None:
        """What is in a tree, given by its name in bytes; None if git has to be started for it."""
        known = self._entries.get(tree)
        if known is None:
            heading, _, content = self._read(tree.hex()).partition(b"\0")
            if heading.startswith(_TREE) and len(content) <= LARGE:
                known = parse_tree(content, hash_bytes=len(tree))
            if known is not None:
                self._remember(tree, known)
        return known

    def write(self, trees: Sequence[NewTree]) -> bool:
        """Have git write trees; False if it has to be started for them."""
        kept, names = self._repo.kept_running, [tree.name.hex() for tree in trees]
        if kept is None or kept.write_trees([tree.content for tree in trees]) != names:
            return False
        for tree in trees:
            self._remember(tree.name, tree.entries)
        return True

    def _remember(self, tree: bytes, entries: Entries) -> None:
        self._count += len(entries) - len(self._entries.get(tree, ()))
        self._entries[tree] = entries
        while self._count > MOST_ENTRIES:
            self._count -= len(self._entries.pop(next(iter(self._entries))))

    def _read(self, oid: str) -> bytes:
        """An object with its header; empty if git has to be started for it."""
        data = content_of_new(self._repo, oid)
        if not data and self._repo.kept_running is not None:
            said = self._repo.kept_running.read_object(oid) or b""
            return said if is_named(said, oid) else b""
        return data
