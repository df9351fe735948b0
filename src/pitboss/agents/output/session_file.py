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


class SessionFile:
    """A file of JSON lines that grows while a session runs; `find` locates it by the session's name.

    Anything else in its place is ignored without an error.
    """

    def __init__(self, find: Callable[[str], Path | None]) -> None:
        self._find = find
        self._path: Path | None = None
        self._offset = 0
        self._lines = JsonLines()

    def skip(self, session_id: str) -> None:
        """Skip what is already in the file of a session about to be resumed: it is not news."""
        self._path = self._find(session_id)
        try:
            self._offset = 0 if self._path is None else self._path.stat().st_size
        except OSError:
            self._offset = 0

    def news(self, session_id: str | None) -> Iterator[dict[str, Any]]:
        """The lines written since the last call."""
        if self._path is None and session_id is not None:
            self._path = self._find(session_id)
        for chunk in self._chunks():
            yield from self._lines.feed(chunk)

    def _chunks(self) -> Iterator[bytes]:
        try:
            if self._path is None or self._path.stat().st_size <= self._offset:
                return
            with open_regular(self._path) as file:
                file.seek(self._offset)
                while chunk := file.read(CHUNK):
                    self._offset += len(chunk)
                    yield chunk
        except OSError:
            return


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
