"""Reads commits and trees that git has just made from their object files, without starting a process.

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

LIMIT = 1024 * 1024
"""Bytes of an object read here; for a longer one, git is asked."""

_COMMIT = lazy_pattern(
    rb"commit \d+\0tree (?P<tree>[0-9a-f]+)\n(?P<parents>(?:parent [0-9a-f]+\n)*)"
    rb"author [^\n]*\ncommitter [^\n]*\n\n(?P<message>.*)",
    re.DOTALL,
)
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
    return CommitObject(
        tree=found["tree"].decode(),
        parents=tuple(word.decode() for word in found["parents"].split()[1::2]),
        message=os.fsdecode(found["message"]),
    )


def entry_of_new(repo: Repo, tree: str, name: str) -> str | None:
    """The mode and object name of what a tree, given by its full name, has under `name`; empty if that is nothing.

    None if git must be asked: for a tree that is packed, large, or not as git writes it today.
    """
    kind, _, content = content_of_new(repo, tree).partition(b"\0")
    entries = parse_tree(content, hash_bytes=len(tree) // 2) if kind.startswith(b"tree ") else None
    if entries is None:
        return None
    found = entries.get(os.fsencode(name))
    return "" if found is None else f"{found[0].decode()} {found[2].hex()}"


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
