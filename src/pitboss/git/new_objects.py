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
from pitboss.store.opening import open_users

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
    found = _COMMIT.fullmatch(_content(repo, oid))
    if found is None:
        return None
    return CommitObject(
        tree=found["tree"].decode(),
        parents=tuple(word.decode() for word in found["parents"].split()[1::2]),
        message=os.fsdecode(found["message"]),
    )


def entry_of_new(repo: Repo, tree: str, name: str) -> str | None:
    """The mode and object name of what a tree, given by its full name, has under `name`; empty if that is nothing.

    None if git must be asked: for a tree that is packed, or large.
    """
    data = _content(repo, tree)
    kind, _, rest = data.partition(b"\0")
    if not kind.startswith(b"tree "):
        return None
    oid_bytes = len(tree) // 2
    while rest:
        entry, _, rest = rest.partition(b"\0")
        mode, _, found = entry.partition(b" ")
        if found == os.fsencode(name):
            return f"{mode.decode()} {rest[:oid_bytes].hex()}"
        rest = rest[oid_bytes:]
    return ""


def _content(repo: Repo, oid: str) -> bytes:
    """An object with its header; empty unless it is what its name says."""
    import hashlib

    with suppress(OSError, zlib.error), open_users(repo.common_dir / "objects" / oid[:2] / oid[2:]) as file:
        data = zlib.decompressobj().decompress(file.read(LIMIT), LIMIT)
        if hashlib.new(_HASHES[len(oid)], data, usedforsecurity=False).hexdigest() == oid:
            return data
    return b""
