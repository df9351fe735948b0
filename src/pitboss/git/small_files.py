"""Git's small files, read without git: HEAD, and the files that lead to a git directory."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

LARGEST = 1024**3
"""Bytes of the largest file that is read: no index is larger, but an agent can make a file that no memory holds."""

_GITDIR = b"gitdir: "
_REF = b"ref: refs/"
_SMALL = 4096


def led_to(place: Path) -> Path | None:
    """Where a link, or a file like those git makes for worktrees, points."""
    if place.is_symlink():
        return Path(os.path.realpath(place))
    content = content_of(place)
    if not content.startswith(_GITDIR) or b"\0" in content:
        return None
    return Path(os.path.realpath(place.parent / os.fsdecode(content.removeprefix(_GITDIR).rstrip(b"\n"))))


def read_file(file: Path | str, most: int = LARGEST) -> tuple[bytes, os.stat_result]:
    """A file's content, and what the file system says of it, in as few calls as can be.

    Raises OSError, also for a file of more than `most` bytes.
    """
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(descriptor)
        if found.st_size > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), os.fspath(file))
        content = os.read(descriptor, found.st_size)
        while len(content) < found.st_size and (more := os.read(descriptor, found.st_size - len(content))):
            content += more
        return content, found
    finally:
        os.close(descriptor)


def is_head(content: bytes) -> bool:
    """Whether this, as returned by `content_of`, names a branch or a commit."""
    text = content.strip()
    is_commit = len(text) in (40, 64) and not text.strip(b"0123456789abcdef")
    return is_commit or (text.startswith(_REF) and len(text.split()) == 2)


def content_of(file: Path) -> bytes:
    """How a small file begins; for a link, which old versions of git use for HEAD, where it points."""
    try:
        mode = os.lstat(file).st_mode
        if stat.S_ISLNK(mode):
            return b"ref: " + os.fsencode(os.readlink(file))  # noqa: PTH115 - the string itself
        return _beginning(file) if stat.S_ISREG(mode) else b""
    except (OSError, ValueError):  # the latter of a path with a NUL, which another of these files may hold
        return b""


def _beginning(file: Path) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _SMALL)
    finally:
        os.close(descriptor)


def text_of(file: Path) -> str:
    """One of git's small files as text; empty if it cannot be read or is not a regular file."""
    try:
        return os.fsdecode(read_file(file)[0]) if stat.S_ISREG(file.stat().st_mode) else ""
    except (OSError, ValueError):
        return ""
