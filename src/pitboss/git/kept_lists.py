"""Puts back git's lists of refs and of where its history ends, after somebody made nonsense of them (SPEC 1.6)."""

from __future__ import annotations

import os
import re
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.git.small_files import read_file
from pitboss.store.files import sync_directory
from pitboss.store.stamps import stamp_in

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.git.home import SetAside

_MOST_BYTES = 16 * 1024 * 1024
_HASH = rb"[0-9a-f]{40}(?:[0-9a-f]{24})?"
_LINES = {
    "packed-refs": lazy_pattern(rb"(?:(?:#.*|\^%b|%b [^\0\n]+)\n)*" % (_HASH, _HASH)),
    "shallow": lazy_pattern(rb"(?:%b\n)*" % _HASH),
}
_REF = lazy_pattern(rb"^(%b) (refs/[^\0\n]+)\n" % _HASH, re.MULTILINE)
_HEADER = b"# pack-refs with: sorted \n"
"""Not the one that git writes: it would promise that what tags lead to is there too."""
NAMES = tuple(_LINES)
_LASTING = "packed-refs"
"""Git never removes this one: without refs, it still holds a first line."""


class KeptList:
    """One of these files in a git directory."""

    def __init__(self, folder: Path, name: str) -> None:
        self._path = folder / name
        self._seen: tuple[int, ...] = ()
        self._known: bytes | None = None
        """What it held when it last made sense; None if it never did, or is too large to be kept."""

    def begin(self) -> None:
        """Take what is there now to be right, if git can read it."""
        self._seen = self._look()
        self._known = self._read()

    def check(self, set_aside: SetAside) -> str | None:
        """Put back what git could last read, if it cannot read what is there now; returns the warning."""
        seen = self._look()
        if seen == self._seen:
            return None
        content = self._read()
        if self._known is None or (content is not None and not self._is_lost(content)):
            self._seen, self._known = seen, content
            return None
        self._put_back(self._mended(self._known), set_aside)
        self._seen = self._look()
        return f"git's {self._path.name} was no such list any more, and was put back"

    def _mended(self, known: bytes) -> bytes:
        """What git could last read and, of refs, also what still makes sense in what is there now."""
        if self._path.name != _LASTING:
            return known
        try:
            now = read_file(self._path, _MOST_BYTES)[0]
        except OSError:
            return known
        refs = {ref: name for name, ref in (*_REF.findall(known), *_REF.findall(now))}
        lines = (b"%b %b\n" % (refs[ref], ref) for ref in sorted(refs))
        return b"".join((_HEADER, *lines))

    def _is_lost(self, content: bytes) -> bool:
        return not content and bool(self._known) and self._path.name == _LASTING

    def _look(self) -> tuple[int, ...]:
        try:
            found = os.lstat(self._path)
        except OSError:
            return ()
        return (found.st_mode, *stamp_in(found))

    def _read(self) -> bytes | None:
        """What it holds, nothing if it is not there; None if git could not read it."""
        try:
            content, found = read_file(self._path, _MOST_BYTES)
        except FileNotFoundError:
            return b""
        except OSError:
            return None
        lines = _LINES[self._path.name]
        return content if stat.S_ISREG(found.st_mode) and lines.fullmatch(content) else None

    def _put_back(self, content: bytes, set_aside: SetAside) -> None:
        """Put this in the place of what is there, once it is on disk: nothing else may know the branches in it."""
        fresh = self._path.with_name(f"{self._path.name}.put-back-{os.getpid()}")
        with suppress(FileNotFoundError):
            fresh.unlink()  # left by a crash
        with fresh.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        set_aside(self._path, self._path.name)
        if content:
            fresh.replace(self._path)
        else:
            fresh.unlink()
        sync_directory(self._path.parent)
