"""Whether an index tells the whole truth about its files: marks of single paths make git look away (SPEC 1.2)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

_HEADER = struct.Struct(">4sII")
_STAT_BYTES = 40
_FLAGS_BYTES = 2
_ASSUME_UNCHANGED = 0x80
_EXTENSION = struct.Struct(">4sI")
_SPLIT = b"link"


def is_plain(repo: Repo, commit: str) -> bool:
    """Whether the index is in format 2, in one file, and marks no path as assume-unchanged.

    `commit` is any of the repository's, for its kind of hash.
    Other marks (skip-worktree, intent to add) need format 3. An index that is missing or cut short is not plain.
    """
    try:
        content = repo.inside("index").read_bytes()
    except OSError:
        return False
    return tells_all(content, hash_bytes=len(commit) // 2)


def tells_all(content: bytes, *, hash_bytes: int) -> bool:
    """The same for an index given as bytes; see git's `index-format`."""
    signature, version, entries = (
        _HEADER.unpack_from(content) if len(content) >= _HEADER.size else (b"", 0, 0)
    )
    if signature != b"DIRC" or version != 2:
        return False
    flags = _STAT_BYTES + hash_bytes
    place = _HEADER.size
    end = len(content) - hash_bytes
    for _ in range(entries):
        name = place + flags + _FLAGS_BYTES
        if name >= end or content[place + flags] & _ASSUME_UNCHANGED:
            return False
        # Names end with a NUL and fill up to a multiple of eight, counted from the entry's begin.
        place += ((content.find(b"\0", name) - place) // 8 + 1) * 8
    return _SPLIT not in _extensions(content, place, end)


def _extensions(content: bytes, place: int, end: int) -> set[bytes]:
    found = set()
    while place + _EXTENSION.size <= end:
        name, size = _EXTENSION.unpack_from(content, place)
        found.add(name)
        place += _EXTENSION.size + size
    return found
