"""Reads an index file: where its entries are, what makes git overlook changed files, repositories inside (SPEC 1.2)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import msgspec

from pitboss.git.small_files import read_file

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

_HEADER = struct.Struct(">4sII")
HEADER_BYTES = _HEADER.size
_STAT_BYTES = 40
_FLAGS_BYTES = 2
_ASSUME_UNCHANGED = 0x80
_LONG_NAME = 0x0FFF
_EXTENDED = 0x40
_EXTENDED_BYTES = 2
_MODE_AT = 24
_LINK_MODE = (0o160000).to_bytes(4, "big")
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
        content = read_file(repo.inside("index"))[0]
    except OSError:
        return None
    return judge_index(content, hash_bytes=len(commit) // 2)


def judge_index(content: bytes, *, hash_bytes: int) -> IndexFacts:
    """The same for an index given as bytes; see git's `index-format`."""
    try:
        spans = entry_spans(content, hash_bytes, formats=(2,))
    except NoIndexError:
        return _ODD
    if any(content[start + _STAT_BYTES + hash_bytes] & _ASSUME_UNCHANGED for start, _ in spans):
        return _ODD
    extensions = _extensions(content, spans, hash_bytes)
    return IndexFacts(plain=_SPLIT not in extensions, has_untracked_cache=_UNTRACKED in extensions)


def may_hold_links(content: bytes, *, hash_bytes: int) -> bool:
    """Whether an index records repositories inside; yes if it is in a format that is not read here."""
    if _LINK_MODE not in content and _SPLIT not in content:
        return False
    try:
        spans = entry_spans(content, hash_bytes, formats=(2, 3))
    except NoIndexError:
        return True
    # Those four bytes may stand anywhere else too, as part of a time or an inode's number.
    has_links = any(content.startswith(_LINK_MODE, start + _MODE_AT) for start, _ in spans)
    return has_links or _SPLIT in _extensions(content, spans, hash_bytes)


class NoIndexError(ValueError):
    """The bytes are not an index in a format that is read here."""


def entry_spans(
    content: bytes, hash_bytes: int, *, formats: tuple[int, ...], at_most: int | None = None
) -> list[tuple[int, int]]:
    """Where each entry begins and ends; see git's `index-format`.

    Raises NoIndexError, also for more entries than `at_most`.
    """
    signature, version, entries = (
        _HEADER.unpack_from(content) if len(content) >= _HEADER.size else (b"", 0, 0)
    )
    if signature != b"DIRC" or version not in formats or (at_most is not None and entries > at_most):
        raise NoIndexError
    spans, place, last = [], _HEADER.size, len(content) - hash_bytes
    for _ in range(entries):
        flags = place + _STAT_BYTES + hash_bytes
        if flags + _FLAGS_BYTES >= last:
            raise NoIndexError
        high, low = content[flags], content[flags + 1]
        name = flags + _FLAGS_BYTES + (_EXTENDED_BYTES if high & _EXTENDED else 0)
        length = (high & 0x0F) << 8 | low
        if length == _LONG_NAME:
            length = content.find(b"\0", name) - name
        # Names end with NULs that pad the entry to a multiple of eight.
        end = place + ((name + length - place + 8) & ~7)
        spans.append((place, end))
        place = end
    return spans


def _extensions(content: bytes, spans: list[tuple[int, int]], hash_bytes: int) -> set[bytes]:
    found = set()
    place, end = spans[-1][1] if spans else _HEADER.size, len(content) - hash_bytes
    while place + _EXTENSION.size <= end:
        name, size = _EXTENSION.unpack_from(content, place)
        found.add(name)
        place += _EXTENSION.size + size
    return found
