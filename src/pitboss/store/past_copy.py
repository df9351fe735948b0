"""Copies what a run came to into the folder that all working trees of a repository share (SPEC 11).

Git's folder for a linked working tree goes when the tree is removed, and the run's backup with it. So at the end of a
run there, its log and state are copied once more, for `pitboss history` alone: nothing is restored from this copy.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.errors import StorageError
from pitboss.store.files import read_regular, write_atomic
from pitboss.store.git_dir import common_folder, git_folder
from pitboss.store.paths import LOG_FILENAME, STATE_FILENAME

if TYPE_CHECKING:
    from pitboss.store.paths import RunPaths

_LARGEST = 256 * 1024 * 1024


def past_copies(common: Path) -> Path:
    """Where the copies are, in git's common folder: a folder for each run."""
    return Path(os.path.realpath(common)) / "pitboss" / "past"


def copy_past(paths: RunPaths) -> None:
    """Copy a run that has ended; does nothing in the main working tree. A failure does no harm."""
    own, common = git_folder(paths.repo), common_folder(paths.repo)
    if own is None or common is None or os.path.realpath(own) == os.path.realpath(common):
        return
    for name in (LOG_FILENAME, STATE_FILENAME):
        data = read_regular(paths.root / name, _LARGEST)
        if data is not None:
            with suppress(StorageError):
                write_atomic(past_copies(common) / paths.run_id / name, data, make=True, spare=True)
