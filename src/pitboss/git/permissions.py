"""Gives back to a git directory's owner what somebody took with `chmod` (SPEC 1.6)."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.store.modes import permit_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_FOLDER = 0o700
_FILE = 0o600
_FILE_THAT_STAYS = 0o400
_STAY = frozenset(("objects", "hooks"))
"""In these folders git only ever reads files, or puts others in their place."""


class Permissions:
    """The folders and files that git goes through, each after those that it is in, and all folders in `folder`."""

    def __init__(self, places: Iterable[str], folder: str) -> None:
        self._places = tuple(places)
        self._folder = folder
        self._closed: frozenset[str] = frozenset()

    def begin(self) -> None:
        """Remember which ones their owner may not use anyway."""
        self._closed = frozenset(filter(_is_closed, self._all()))

    def check(self) -> Iterator[str]:
        """Let the owner use the others again, with all that is in them. Yields warnings."""
        for place in self._all():
            if place not in self._closed and _is_closed(place):
                with suppress(OSError):
                    _open(place)
                if not _is_closed(place):
                    yield f"{place} could not be read or written any more, and can be again"

    def _all(self) -> Iterator[str]:
        yield from self._places
        with suppress(OSError), os.scandir(self._folder) as entries:
            yield from (entry.path for entry in entries)


def _is_closed(place: str) -> bool:
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return False
    return lacks_permission(mode)


def lacks_permission(mode: int) -> bool:
    """Whether the owner of something with this mode may not use it as git does."""
    return bool(_needed(mode, _FILE) & ~mode)


def _open(place: str) -> None:
    """Let the owner use a file, or a folder with all that is in it. Raises OSError."""
    above = len(os.path.dirname(place))  # noqa: PTH120 - many paths

    def needed(mode: int, path: str) -> int:
        stays = not _STAY.isdisjoint(path[above:].split("/"))
        return _needed(mode, _FILE_THAT_STAYS if stays else _FILE)

    permit_all(place, needed)


def _needed(mode: int, file: int) -> int:
    """What the owner has to have of something with this mode: of a file, `file`."""
    return _FOLDER if stat.S_ISDIR(mode) else file if stat.S_ISREG(mode) else 0
