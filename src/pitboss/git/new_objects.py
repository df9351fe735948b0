"""Reads commits and trees without starting a process: those that git has just made, from their object files.

Agents can write to these files, so one counts only if its content hashes to its name.
"""

from __future__ import annotations

import os
import re
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.patterns import lazy_pattern
from pitboss.git.small_files import read_file
from pitboss.git.tree_entries import parse_tree

if TYPE_CHECKING:
    from pitboss.git.repo import Repo
    from pitboss.git.tree_entries import Entries

LIMIT = 1024 * 1024
"""Bytes of an object read here; for a longer one, git is asked."""

_BEGINNING = rb"commit \d+\0tree (?P<tree>[0-9a-f]+)\n(?P<parents>(?:parent [0-9a-f]+\n)*)"
_ANY_COMMIT = lazy_pattern(_BEGINNING)
_COMMIT = lazy_pattern(_BEGINNING + rb"author [^\n]*\ncommitter [^\n]*\n\n(?P<message>.*)", re.DOTALL)
_TREE = b"tree "
_HASHES = {40: "sha1", 64: "sha256"}


class CommitObject(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit consists of; `message` as git would print it in UTF-8."""

    tree: str
    parents: tuple[str, ...]
    message: str


def read_new(repo: Repo, oid: str) -> CommitObject | None:
    """A commit, given by its full name, as read from its file.

    None if git must be asked: for one that is packed, signed, or in another encoding.
    """
    found = _COMMIT.fullmatch(content_of_new(repo, oid))
    if found is None:
        return None
    tree, parents = _named_in(found)
    return CommitObject(tree=tree, parents=parents, message=os.fsdecode(found["message"]))


def tree_and_parents(data: bytes) -> tuple[str, tuple[str, ...]] | None:
    """What a commit, given with its header, names; None unless it is one."""
    found = _ANY_COMMIT.match(data)
    return None if found is None else _named_in(found)


def _named_in(found: re.Match[bytes]) -> tuple[str, tuple[str, ...]]:
    return found["tree"].decode(), tuple(word.decode() for word in found["parents"].split()[1::2])


def entry_of_new(repo: Repo, tree: str, name: str) -> str | None:
    """The mode and object name of what a tree, given by its full name, has under `name`; empty if that is nothing.

    None if git must be asked: for a tree that is packed, large, or not as git writes it today.
    """
    entries = entries_of(content_of_new(repo, tree), digits=len(tree))
    if entries is None:
        return None
    found = entries.get(os.fsencode(name))
    return "" if found is None else f"{found[0].decode()} {found[2].hex()}"


def entries_of(data: bytes, *, digits: int) -> Entries | None:
    """What a tree, given with its header, consists of, in a repository whose names have so many digits.

    None unless it is a tree as git writes it today.
    """
    kind, _, content = data.partition(b"\0")
    return parse_tree(content, hash_bytes=digits // 2) if kind.startswith(_TREE) else None


def content_of(repo: Repo, oid: str) -> bytes:
    """An object with its header, given by its full name; empty if git must be started for it.

    One without a file of its own is read by a git that is kept running, if there is one. Not for large ones.
    """
    data = content_of_new(repo, oid)
    if data or repo.kept_running is None:
        return data
    said = repo.kept_running.read_object(oid) or b""
    return said if is_named(said, oid) else b""


def content_of_new(repo: Repo, oid: str) -> bytes:
    """An object with its header, given by its full name; empty if git must be asked."""
    with suppress(OSError, zlib.error):
        content, _ = read_file(f"{repo.common_dir}/objects/{oid[:2]}/{oid[2:]}", LIMIT)
        data = zlib.decompressobj().decompress(content, LIMIT)
        if is_named(data, oid):
            return data
    return b""


def is_named(data: bytes, oid: str) -> bool:
    """Whether that is the full name of an object, given with its header."""
    return _hashed(data, len(oid)) == oid


def name_of(kind: bytes, content: bytes, *, digits: int) -> str:
    """The full name of an object, which has so many hexadecimal digits."""
    return _hashed(b"%s %d\0%s" % (kind, len(content), content), digits)


def _hashed(data: bytes, digits: int) -> str:
    import hashlib

    return hashlib.new(_HASHES[digits], data, usedforsecurity=False).hexdigest()
