"""Follows the file that a CLI keeps about one of its sessions, for what it never prints (SPEC 1.5, 6)."""

from __future__ import annotations

from itertools import islice
from os import scandir
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitboss.agents.output.lines import JsonLines
from pitboss.store.opening import open_regular

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

CHUNK = 256 * 1024
NAMES = 20_000
"""How many names in a folder are looked at."""


class GrowingFile:
    """A file that grows while a CLI works. Anything else in its place is ignored without an error.

    `skip` says that what is there already is not news.
    """

    def __init__(self, path: Path, *, skip: bool = False) -> None:
        self._path = path
        self._offset = self._size() if skip else 0

    def news(self) -> Iterator[bytes]:
        """What was written since the last call, piece by piece."""
        if self._size() <= self._offset:
            return
        try:
            with open_regular(self._path) as file:
                file.seek(self._offset)
                while chunk := file.read(CHUNK):
                    self._offset += len(chunk)
                    yield chunk
        except OSError:
            return

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0


class SessionFile:
    """A file of JSON lines that grows while a session runs; `find` locates it by the session's name."""

    def __init__(self, find: Callable[[str], Path | None]) -> None:
        self._find = find
        self._file: GrowingFile | None = None
        self._lines = JsonLines()

    def skip(self, session_id: str) -> None:
        """Skip what is already in the file of a session about to be resumed: it is not news."""
        path = self._find(session_id)
        self._file = None if path is None else GrowingFile(path, skip=True)

    def news(self, session_id: str | None) -> Iterator[dict[str, Any]]:
        """The lines written since the last call."""
        if self._file is None and session_id is not None:
            path = self._find(session_id)
            self._file = None if path is None else GrowingFile(path)
        for chunk in () if self._file is None else self._file.news():
            yield from self._lines.feed(chunk)


def home_of(env: Mapping[str, str], variable: str, name: str) -> Path:
    """The folder that `variable` names, else the one called `name` in the user's home."""
    return Path(env[variable]) if env.get(variable) else Path(env.get("HOME", "/")) / name


def names_in(folder: Path) -> Iterator[str]:
    """The names in a folder, in any order; none if it cannot be read."""
    try:
        with scandir(folder) as entries:
            yield from (entry.name for entry in islice(entries, NAMES))
    except OSError:
        return
