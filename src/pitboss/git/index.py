"""Reads an index file for flags that make git overlook changed files (SPEC 1.2)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

_HEADER = struct.Struct(">4sII")
_STAT_BYTES = 40
_FLAGS_BYTES = 2
_ASSUME_UNCHANGED = 0x80
_LONG_NAME = 0x0FFF
_EXTENSION = struct.Struct(">4sI")
_SPLIT = b"link"
_UNTRACKED = b"UNTR"


class IndexFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What an index is like.

    `plain`: format 2, one file, and no path flagged: assume-unchanged is not set, and other flags
    (skip-worktree, intent to add) need format 3.
    """

    plain: bool
    has_untracked_cache: bool


_ODD = IndexFacts(plain=False, has_untracked_cache=False)


def read_index(repo: Repo, commit: str) -> IndexFacts | None:
    """What the index is like, None without one; `commit` is any in the repository, to tell its kind of hash."""
    try:
        content = repo.inside("index").read_bytes()
    except OSError:
        return None
    return judge_index(content, hash_bytes=len(commit) // 2)


def judge_index(content: bytes, *, hash_bytes: int) -> IndexFacts:
    """The same for an index given as bytes; see git's `index-format`."""
    signature, version, entries = (
        _HEADER.unpack_from(content) if len(content) >= _HEADER.size else (b"", 0, 0)
    )
    if signature != b"DIRC" or version != 2:
        return _ODD
    flags = _STAT_BYTES + hash_bytes
    place = _HEADER.size
    end = len(content) - hash_bytes
    for _ in range(entries):
        if place + flags + _FLAGS_BYTES >= end:
            return _ODD
        high, low = content[place + flags], content[place + flags + 1]
        if high & _ASSUME_UNCHANGED:
            return _ODD
        length = (high & 0x0F) << 8 | low
        if length == _LONG_NAME:
            length = content.find(b"\0", place + flags + _FLAGS_BYTES) - place - flags - _FLAGS_BYTES
        # Names end with NULs that pad the entry to a multiple of eight.
        place += (flags + _FLAGS_BYTES + length + 8) & ~7
    extensions = _extensions(content, place, end)
    return IndexFacts(plain=_SPLIT not in extensions, has_untracked_cache=_UNTRACKED in extensions)


def _extensions(content: bytes, place: int, end: int) -> set[bytes]:
    found = set()
    while place + _EXTENSION.size <= end:
        name, size = _EXTENSION.unpack_from(content, place)
        found.add(name)
        place += _EXTENSION.size + size
    return found
