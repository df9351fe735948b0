"""Whether a file was written, replaced or touched since somebody looked at it, by what the system says of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from pitboss.store.opening import status

if TYPE_CHECKING:
    from pitboss.store.anchors import AnyPath


class Stamp(NamedTuple):
    """What changes when a file does; times are in nanoseconds, and nobody can set back `changed_ns`."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


def stamp_of(path: AnyPath) -> Stamp | None:
    """The stamp of a file of ours, reached without links as in `store.opening`; None if there is none."""
    found = status(path)
    return None if found is None else stamp_in(found)


def users_stamp(path: AnyPath) -> Stamp | None:
    """The stamp of what a path of the user's or of git's leads to, through links too; None if that is nothing."""
    try:
        return stamp_in(os.stat(path))
    except OSError:
        return None


def stamp_in(found: os.stat_result) -> Stamp:
    """The stamp of a file that was looked at."""
    return Stamp(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
