"""Packs of a few small objects, made and taken apart without starting a process (SPEC 14).

A few commits that have just been made are a handful of objects, each in a file of its own. They go whole, where git
would look for what they differ from. A pack that is made here may hold a little that the other side has already.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from pitboss.git.new_objects import content_of, content_of_new, entries_of, tree_and_parents
from pitboss.git.tree_entries import FOLDER, SUBMODULE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from pitboss.git.repo import Repo
    from pitboss.git.tree_entries import Entries

MOST_COMMITS = 16
MOST_OBJECTS = 100
MOST_TAKEN = 20
"""Objects beyond which a git that is started for all of them is faster than one that is asked to write each."""

MOST_BYTES = 128 * 1024
"""Of all objects together: with more, git's way to send only what differs is worth a process."""

_KINDS = {b"commit": 1, b"tree": 2, b"blob": 3}
_WRITTEN = {3: "blob", 2: "tree", 1: "commit"}
"""By number, in the order in which they are written: what others name comes first."""

_VERSION = b"PACK\0\0\0\2"
_HEADING = len(_VERSION) + 4  # how many objects there are follows
_HASHES = {"sha1": 20, "sha256": 32}
_FAST = 1
_NOTHING = (b"", b"", b"")


class _LeftToGitError(Exception):
    """It is more, or other, than what is worth doing here."""


def small_pack(repo: Repo, tips: Iterable[str], known: Collection[str]) -> bytes | None:
    """What `tips` reach and `known`, which the other side has, do not; None if git has to make that pack."""
    picking = _Picking(repo)
    try:
        picking.pick(tips, known)
    except _LeftToGitError:
        return None
    return _packed(picking.objects.values(), digits=len(next(iter(picking.objects), "")))


def take_small_pack(repo: Repo, data: bytes) -> bool:
    """Take in a pack; False if git has to do that."""
    kept = repo.kept_running
    try:
        objects = [*_unpacked(data)]
    except (_LeftToGitError, zlib.error, IndexError):
        return False
    for number, kind in _WRITTEN.items():
        contents = [content for found, content in objects if found == number]
        if contents and (kept is None or kept.write_objects(kind, contents) is None):
            return False
    return True


class _Picking:
    """Finds what goes into one pack: `objects`, each with its header, by name."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._bytes = 0
        self.objects: dict[str, bytes] = {}

    def pick(self, tips: Iterable[str], known: Collection[str]) -> None:
        """Pick all that `tips` reach and `known` do not. Raises _LeftToGitError."""
        waiting, new = [*tips], []
        while waiting:
            if (commit := waiting.pop()) in known or commit in self.objects:
                continue
            self._add(commit, content_of_new(self._repo, commit))
            tree, parents = self._facts(commit)
            if not parents or len(self.objects) > MOST_COMMITS:
                raise _LeftToGitError
            new.append((tree, self._facts(parents[0])[0]))
            waiting += parents
        for tree, before in new:
            self._pick_tree(tree, before)

    def _facts(self, commit: str) -> tuple[str, tuple[str, ...]]:
        found = tree_and_parents(self._read(commit))
        if found is None:
            raise _LeftToGitError
        return found

    def _pick_tree(self, tree: str, before: str | None) -> None:
        """Pick a tree, with what is in it and was not in the one before."""
        if tree == before or tree in self.objects:
            return
        self._add(tree, self._read(tree))
        old = {} if before is None else self._entries(before)
        for mode, name, oid in self._entries(tree).values():
            was, _, was_oid = old.get(name, _NOTHING)
            if was_oid == oid or mode == SUBMODULE:
                continue
            if mode == FOLDER:
                self._pick_tree(oid.hex(), was_oid.hex() if was == FOLDER else None)
            elif oid.hex() not in self.objects:
                self._add(oid.hex(), content_of_new(self._repo, oid.hex()))

    def _entries(self, tree: str) -> Entries:
        entries = entries_of(self._read(tree), digits=len(tree))
        if entries is None:
            raise _LeftToGitError
        return entries

    def _add(self, oid: str, data: bytes) -> None:
        self._bytes += len(data)
        if not data or self._bytes > MOST_BYTES or len(self.objects) >= MOST_OBJECTS:
            raise _LeftToGitError
        self.objects[oid] = data

    def _read(self, oid: str) -> bytes:
        """A commit or a tree with its header; empty if that has to be left to git."""
        return self.objects.get(oid) or content_of(self._repo, oid)


def _packed(objects: Collection[bytes], *, digits: int) -> bytes:
    import hashlib

    parts = [_VERSION + len(objects).to_bytes(4)]
    for each in objects:
        header, _, content = each.partition(b"\0")
        parts += [_heading(_KINDS[header.partition(b" ")[0]], len(content)), zlib.compress(content, _FAST)]
    whole = b"".join(parts)
    kind = next(kind for kind, size in _HASHES.items() if digits in (2 * size, 0))
    return whole + hashlib.new(kind, whole, usedforsecurity=False).digest()


def _heading(kind: int, size: int) -> bytes:
    """Kind and size: four bits of the size, then seven a byte; a byte's first bit says that more follows."""
    made = [kind << 4 | size & 0xF]
    size >>= 4
    while size:
        made[-1] |= 0x80
        made.append(size & 0x7F)
        size >>= 7
    return bytes(made)


def _unpacked(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The objects of a pack, without headers. Raises _LeftToGitError, zlib.error, IndexError."""
    at, end, left = _HEADING, len(data) - _hash_bytes(data), MOST_BYTES
    if (count := int.from_bytes(data[len(_VERSION) : _HEADING])) > MOST_TAKEN:
        raise _LeftToGitError
    for _ in range(count):
        kind, size, shift = data[at] >> 4 & 7, data[at] & 0xF, 4
        while data[at] & 0x80:
            at += 1
            size |= (data[at] & 0x7F) << shift
            shift += 7
        left -= size
        if kind not in _WRITTEN or left < 0:
            raise _LeftToGitError  # of another kind are those that say how they differ from others
        stream = zlib.decompressobj()
        content = stream.decompress(data[at + 1 : end], size + 1)
        if len(content) != size or not stream.eof:
            raise _LeftToGitError
        at = end - len(stream.unused_data)
        yield kind, content
    if at != end:
        raise _LeftToGitError


def _hash_bytes(data: bytes) -> int:
    """How long the hash is with which a pack ends. Raises _LeftToGitError unless it is right."""
    import hashlib

    if data.startswith(_VERSION):
        for kind, size in _HASHES.items():
            if hashlib.new(kind, data[:-size], usedforsecurity=False).digest() == data[-size:]:
                return size
    raise _LeftToGitError
