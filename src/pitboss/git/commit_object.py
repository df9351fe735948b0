"""Reads a commit that git has just made from its object file, without starting a process."""

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
"""Bytes of a commit read here; for a longer one, git is asked."""

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

    None if git must be asked: for one that is packed, signed, or in another encoding. Agents can write to the file, so
    it counts only if its content hashes to that name.
    """
    import hashlib

    data = _content(repo, oid)
    found = _COMMIT.fullmatch(data)
    if found is None or hashlib.new(_HASHES[len(oid)], data, usedforsecurity=False).hexdigest() != oid:
        return None
    return CommitObject(
        tree=found["tree"].decode(),
        parents=tuple(word.decode() for word in found["parents"].split()[1::2]),
        message=os.fsdecode(found["message"]),
    )


def _content(repo: Repo, oid: str) -> bytes:
    with suppress(OSError, zlib.error), open_users(repo.common_dir / "objects" / oid[:2] / oid[2:]) as file:
        return zlib.decompressobj().decompress(file.read(LIMIT), LIMIT)
    return b""
