"""Git's small files, read without git: HEAD, and the files that lead to a git directory."""

from __future__ import annotations

import os
from pathlib import Path

_GITDIR = b"gitdir: "
_REF = b"ref: refs/"


def led_to(place: Path) -> Path | None:
    """Where a link, or a file like those git makes for worktrees, points."""
    if place.is_symlink():
        return Path(os.path.realpath(place))
    content = content_of(place)
    if not content.startswith(_GITDIR):
        return None
    return Path(os.path.realpath(place.parent / os.fsdecode(content.removeprefix(_GITDIR).rstrip(b"\n"))))


def is_head(content: bytes) -> bool:
    """Whether this, as returned by `content_of`, names a branch or a commit."""
    text = content.strip()
    is_commit = len(text) in (40, 64) and not text.strip(b"0123456789abcdef")
    return is_commit or (text.startswith(_REF) and len(text.split()) == 2)


def content_of(file: Path) -> bytes:
    """A small file's content; for a link, which old versions of git use for HEAD, where it points."""
    try:
        if file.is_symlink():
            return b"ref: " + os.fsencode(os.readlink(file))  # noqa: PTH115 - the string itself
        return file.read_bytes()[:4096] if file.is_file() else b""
    except OSError:
        return b""


def text_of(file: Path) -> str:
    """One of git's small files as text; empty if it cannot be read or is not a regular file."""
    try:
        return os.fsdecode(file.read_bytes()) if file.is_file() else ""
    except OSError:
        return ""
