"""Tells without git whether a small working tree is still as its commit (SPEC 6).

It says yes only where git would: whatever is in doubt is a no, after which git can be asked. Unlike git's, a yes also
means that nothing is there which git ignores.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pitboss.git.commit_object import read_new

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.git.repo import Repo

MOST_FILES = 500
"""With more of them, git is quicker."""

_HEADER = struct.Struct(">4sII")
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
_OWN = frozenset({".git"})


_Facts: TypeAlias = tuple[int, ...]
"""What the file system said of a file: both times in nanoseconds, inode, owner, group, size, as far as 32 bits go."""

_Folders: TypeAlias = dict[str, dict[str, _Facts | None]]
"""What each folder holds by name: files with their facts, folders with None."""


class _File(NamedTuple):
    """A tracked file, and what the index says of it."""

    path: str
    facts: _Facts


def is_untouched(repo: Repo, commit: str) -> bool:
    """Whether index and files are those of `commit`, and nothing else is in the tree, as far as that is plain.

    Raises nothing: a working copy that makes no sense is no longer as it was.
    """
    made = read_new(repo, commit)
    if made is None:
        return False
    try:
        content, written_ns = _read(repo.inside("index"))
        files, end = _files(content, len(commit) // 2)
        return (
            _tree(content, end, len(commit) // 2) == made.tree
            and not any(_may_be_older(file, written_ns) for file in files)
            and _holds(os.fspath(repo.root), files)
        )
    except (OSError, ValueError, struct.error):
        return False


def _read(index: Path) -> tuple[bytes, int]:
    with index.open("rb") as file:
        return file.read(), os.fstat(file.fileno()).st_mtime_ns


def _files(content: bytes, hash_bytes: int) -> tuple[list[_File], int]:
    """The entries of an index, and where they end; see git's `index-format`. Raises ValueError, struct.error."""
    _, version, count = _HEADER.unpack_from(content)
    if version != 2 or count > MOST_FILES:
        raise ValueError("not an index to be read here")
    files, place = [], _HEADER.size
    for _ in range(count):
        c_s, c_ns, m_s, m_ns, _, inode, mode, owner, group, size = _ENTRY.unpack_from(content, place)
        flags = place + _ENTRY.size + hash_bytes
        if _FLAGS.unpack_from(content, flags)[0] & _ODD or mode == _GITLINK:
            raise ValueError("a path with flags, or a repository inside")
        name = flags + _FLAGS.size
        end = content.index(b"\0", name)
        facts = (c_s * _SECOND + c_ns, m_s * _SECOND + m_ns, inode, owner, group, size)
        files.append(_File(os.fsdecode(content[name:end]), facts))
        place += (end - place + 8) & ~7
    return files, place


def _tree(content: bytes, place: int, hash_bytes: int) -> str | None:
    """The tree that the index stands for, if git has noted it right behind the entries."""
    if content[place : place + len(_TREE)] != _TREE:
        return None
    counts, _, rest = content[place + _EXTENSION.size :].partition(b"\n")
    return None if counts.startswith(_OUTDATED) else rest[:hash_bytes].hex()


def _may_be_older(file: _File, written_ns: int) -> bool:
    """Whether the file may have been changed after git read it, without a new time to show for it."""
    return max(file.facts[:2]) >= written_ns


def _holds(root: str, files: list[_File]) -> bool:
    """Whether the folder holds just these files, unchanged."""
    return all(
        _folder_holds(os.path.join(root, name), wanted, beside=frozenset() if name else _OWN)  # noqa: PTH118
        for name, wanted in _by_folder(files).items()
    )


def _by_folder(files: list[_File]) -> _Folders:
    folders: _Folders = {"": {}}
    for path, facts in files:
        above, _, name = path.rpartition("/")
        for folder in reversed(list(_new_ones(above, folders))):
            upper, _, own = folder.rpartition("/")
            folders[folder] = {}
            folders[upper][own] = None
        folders[above][name] = facts
    return folders


def _new_ones(folder: str, known: _Folders) -> Iterator[str]:
    """Those of a folder and the ones above it that are not known yet, innermost first."""
    while folder not in known:
        yield folder
        folder = folder.rpartition("/")[0]


def _folder_holds(place: str, wanted: dict[str, _Facts | None], *, beside: frozenset[str]) -> bool:
    """Whether a folder, which must not be a link, holds just what is wanted, and what may be there `beside`."""
    opened = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return set(os.listdir(opened)) - beside == wanted.keys() and all(  # noqa: PTH208
            facts is None or _are(facts, os.lstat(name, dir_fd=opened)) for name, facts in wanted.items()
        )
    finally:
        os.close(opened)


def _are(facts: _Facts, now: os.stat_result) -> bool:
    return facts == (
        now.st_ctime_ns,
        now.st_mtime_ns,
        now.st_ino & _LOW,
        now.st_uid,
        now.st_gid,
        now.st_size & _LOW,
    )
