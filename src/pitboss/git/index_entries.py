"""Reads what git noted of each tracked file, from an index that holds nothing out of the ordinary (SPEC 6).

An index differs little from the one before it, so the entries that are as they were are not read again.
"""

from __future__ import annotations

import os
import stat
import struct
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pitboss.git.index import HEADER_BYTES, entry_spans

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_FILES = 500
"""With more of them, git is quicker."""

_ENTRY = struct.Struct(">10I")
_FLAGS = struct.Struct(">H")
_EXTENSION = struct.Struct(">4sI")
_ODD = 0xF000
"""Flags of a path in a conflict, or whose changes git is to overlook."""
_GITLINK = 0o160000
_TREE = b"TREE"
_OUTDATED = b"\0-1 "
_LOW = 0xFFFFFFFF
_SECOND = 1_000_000_000

Facts: TypeAlias = tuple[int, ...]
"""What the file system said of a file: both times in nanoseconds, inode, mode as git has it, owner, group, size.

Numbers as far as 32 bits go. The size is `UNKNOWN` where git does not know whether the file is as it was.
"""

UNKNOWN = -1
_EMPTY = frozenset(
    {
        bytes.fromhex("e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"),
        bytes.fromhex("473a0f4c3be8a93681a267e3b1e9a7dcda1185436fe141f7749120a303721813"),
    }
)
"""The object names of an empty file. Git notes a size of zero for any other that may have changed as it was noted."""


class TrackedFile(NamedTuple):
    """A tracked file, and what the index says of it."""

    path: str
    facts: Facts
    oid: bytes


Folders: TypeAlias = dict[str, dict[str, TrackedFile | None]]
"""What each folder holds by name: tracked files, and folders as None."""


class IndexEntries:
    """The entries of an index, given as bytes. Raises ValueError unless all of it is ordinary."""

    def __init__(self, content: bytes, *, hash_bytes: int) -> None:
        self._content = content
        self._hash_bytes = hash_bytes
        self._spans = entry_spans(content, hash_bytes, formats=(2,), at_most=MOST_FILES)
        self._files = [self._read(content, place) for place, _ in self._spans]
        self.folders = _by_folder(self._files)
        self.tree = _tree(content, self._end, hash_bytes)
        """The tree that the index stands for, if git has noted it."""

    def update(self, content: bytes) -> IndexEntries:
        """The entries of the index that took its place; this value may no longer be used. Raises as above."""
        before = self._content
        if content == before:
            return self
        if len(content) != len(before) or content[:HEADER_BYTES] != before[:HEADER_BYTES]:
            return IndexEntries(content, hash_bytes=self._hash_bytes)
        for nth, (place, end) in enumerate(self._spans):
            if content[place:end] != before[place:end]:
                file = self._read(content, place)
                if file.path != self._files[nth].path:
                    return IndexEntries(content, hash_bytes=self._hash_bytes)
                self._files[nth] = file
                folder, _, name = file.path.rpartition("/")
                self.folders[folder][name] = file
        self._content = content
        self.tree = _tree(content, self._end, self._hash_bytes)
        return self

    @property
    def _end(self) -> int:
        """Where the entries end."""
        return self._spans[-1][1] if self._spans else HEADER_BYTES

    def named(self, name: str) -> frozenset[tuple[str, bytes]]:
        """The tracked files of that name in any folder: their paths and their contents' object names."""
        found = ((folder, files[name]) for folder, files in self.folders.items() if name in files)
        return frozenset((file.path, file.oid) for _, file in found if file is not None)

    def _read(self, content: bytes, place: int) -> TrackedFile:
        """The entry at a place."""
        c_s, c_ns, m_s, m_ns, _, inode, mode, owner, group, size = _ENTRY.unpack_from(content, place)
        oid = place + _ENTRY.size
        flags = oid + self._hash_bytes
        if _FLAGS.unpack_from(content, flags)[0] & _ODD or mode == _GITLINK:
            raise ValueError("a path with flags, or a repository inside")
        name = flags + _FLAGS.size
        end = content.index(b"\0", name)
        known = size if size or content[oid:flags] in _EMPTY else UNKNOWN
        facts = (c_s * _SECOND + c_ns, m_s * _SECOND + m_ns, inode, mode, owner, group, known)
        return TrackedFile(os.fsdecode(content[name:end]), facts, content[oid:flags])


def facts_of(found: os.stat_result) -> Facts:
    """What git would note of a file."""
    kind = stat.S_IFMT(found.st_mode)
    mode = kind | (0o755 if found.st_mode & stat.S_IXUSR else 0o644) if kind == stat.S_IFREG else kind
    return (
        found.st_ctime_ns,
        found.st_mtime_ns,
        found.st_ino & _LOW,
        mode,
        found.st_uid,
        found.st_gid,
        found.st_size & _LOW,
    )


def may_be_older(file: TrackedFile, written_ns: int) -> bool:
    """Whether a file may have been changed after git read it, without a new time to show for it.

    `written_ns` is when git wrote the index.
    """
    return file.facts[0] >= written_ns or file.facts[1] >= written_ns


def _tree(content: bytes, place: int, hash_bytes: int) -> str | None:
    """The tree that git has noted right behind the entries."""
    if content[place : place + len(_TREE)] != _TREE:
        return None
    counts, _, rest = content[place + _EXTENSION.size :].partition(b"\n")
    return None if counts.startswith(_OUTDATED) else rest[:hash_bytes].hex()


def _by_folder(files: list[TrackedFile]) -> Folders:
    folders: Folders = {"": {}}
    for file in files:
        above, _, name = file.path.rpartition("/")
        for folder in reversed(list(_new_ones(above, folders))):
            upper, _, own = folder.rpartition("/")
            folders[folder] = {}
            folders[upper][own] = None
        folders[above][name] = file
    return folders


def _new_ones(folder: str, known: Folders) -> Iterator[str]:
    """Those of a folder and the ones above it that are not known yet, innermost first."""
    while folder not in known:
        yield folder
        folder = folder.rpartition("/")[0]
