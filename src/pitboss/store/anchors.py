"""Keeps the user's folders that hold ours: every path to one of our files begins in one (SPEC 1.6).

A folder that holds `.pitboss`, or git's own folder, which holds `pitboss`. Links on the way there are the user's and
are followed; `anchor` holds on to such a folder, wherever its name leads later.
"""

from __future__ import annotations

import errno
import os
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pitboss.store import one_call

if TYPE_CHECKING:
    from pitboss.store.one_call import Enter

    AnyPath = str | os.PathLike[str]

OURS = ".pitboss"
_OURS_IN_GIT = "pitboss"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_anchors: dict[str, int] = {}
_enter: Enter | None = None


class Descent(NamedTuple):
    """The way to a name: the user's folder that it begins in, and our folders from there on.

    `path` is the folders as one relative path. `ours` says that the name itself must not be a link. The way to what is
    not ours has no folders.
    """

    base: str
    folders: tuple[str, ...]
    name: str
    path: bytes
    ours: bool


def anchor(folder: AnyPath) -> None:
    """Hold on to a user's folder that contains `.pitboss` or git's `pitboss`, if it can be opened."""
    name = os.fspath(folder)
    try:
        opened = os.open(name, _FOLDER)
    except OSError:
        return
    if name in _anchors:  # other threads use that number
        os.dup2(opened, _anchors[name], inheritable=False)
        os.close(opened)
    else:
        _anchors[name] = opened
        way_to.cache_clear()


def whereabouts(folder: AnyPath) -> Path | None:
    """Where a folder that `anchor` holds on to is now, however it was moved; None if the system does not tell.

    Of one that was removed, the path leads nowhere.
    """
    try:
        return Path(os.readlink(f"/proc/self/fd/{_anchors.get(os.fspath(folder), -1)}"))
    except OSError:
        return None


def hasten() -> None:
    """From now on go all the way in one system call where there is one: for a process that goes there very often."""
    global _enter  # noqa: PLW0603 - a property of this very process
    _enter = one_call.make()


def at_once(way: Descent) -> int:
    """A descriptor of the last folder, entered in one system call; an error number below zero if that fails."""
    return -errno.ENOSYS if _enter is None or not way.path else _enter(_anchors.get(way.base, -1), way.path)


def open_base(way: Descent) -> int:
    """A descriptor of the folder that a way begins in. Raises OSError."""
    anchored = _anchors.get(way.base)
    return os.open(way.base, _FOLDER) if anchored is None else os.dup(anchored)


@lru_cache(maxsize=256)
def way_to(path: str) -> Descent:
    """The way to a path."""
    parts = path.split(os.sep)
    starts = [at for at in range(1, len(parts)) if _is_ours(parts, at)]
    if not starts:
        folder, name = os.path.split(path)
        return Descent(folder or os.curdir, (), name, b"", name in (OURS, _OURS_IN_GIT))
    bases = [os.sep.join(parts[:at]) or os.sep for at in starts]
    # Something a run keeps may have such a name inside it too.
    nth = next((nth for nth, base in enumerate(bases) if base in _anchors), -1)
    *folders, name = parts[starts[nth] :]
    ours = bool(folders) or name in (OURS, _OURS_IN_GIT)
    return Descent(bases[nth], tuple(folders), name, os.fsencode(os.sep.join(folders)), ours)


def _is_ours(parts: list[str], at: int) -> bool:
    return parts[at] == OURS or (parts[at] == _OURS_IN_GIT and any(p.endswith(".git") for p in parts[:at]))
