"""How much disk a run takes, without following a link, in bounded time (SPEC 11)."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

from pitboss.store.opening import open_folder, status

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = 512
"""Bytes of one of `st_blocks`, whatever the file system's blocks are."""


class DiskUse(NamedTuple):
    """Bytes on disk; `whole` is False if time ran out, and there may be more."""

    size: int
    whole: bool = True


def disk_use(path: Path, *, until: float) -> DiskUse:
    """What is below `path`, or the file there; nothing takes nothing. `until` is a time of `time.monotonic`."""
    found = status(path)
    if found is None:
        return DiskUse(0)
    own = found.st_blocks * BLOCK
    if not stat.S_ISDIR(found.st_mode):
        return DiskUse(own)
    try:
        folder = open_folder(path)
    except OSError:
        return DiskUse(own, whole=False)
    try:
        below = _below(folder, until)
    finally:
        os.close(folder)
    return DiskUse(own + below.size, below.whole)


def _below(folder: int, until: float) -> DiskUse:
    """All below an open folder; a file with several names counts once."""
    total, several = 0, set[tuple[int, int]]()
    for _, folders, files, at in os.fwalk(".", dir_fd=folder, follow_symlinks=False):
        for name in (*folders, *files):
            if time.monotonic() > until:
                return DiskUse(total, whole=False)
            try:
                found = os.stat(name, dir_fd=at, follow_symlinks=False)
            except OSError:
                continue  # it has just gone
            same = (found.st_dev, found.st_ino)
            if found.st_nlink == 1 or stat.S_ISDIR(found.st_mode) or same not in several:
                total += found.st_blocks * BLOCK
            several.add(same) if found.st_nlink > 1 else None
    return DiskUse(total)
