"""Moves files and folders out of a tree to where they are kept (SPEC 1.2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.store.opening import open_folder

if TYPE_CHECKING:
    from pathlib import Path


def move_out(root: Path, path: str, keep_in: Path) -> Path | None:
    """Move `path`, relative to `root`, to the same place in `keep_in`; if it is gone, it has already been moved.

    Returns where it is now, None if it was gone. Anything already there stays: the newcomer gets a number. No link is
    followed on the way.
    """
    name = path.rstrip("/")
    if not os.path.lexists(root / name):
        return None
    folder = (keep_in / name).parent
    there = open_folder(folder, make=True)
    try:
        taken = set(os.listdir(there))  # noqa: PTH208 - an open folder has no path
        wanted = os.path.basename(name)  # noqa: PTH119
        nth = 1
        while wanted in taken:
            nth += 1
            wanted = f"{os.path.basename(name)}-{nth}"  # noqa: PTH119
        os.rename(root / name, wanted, dst_dir_fd=there)
        return folder / wanted
    finally:
        os.close(there)
