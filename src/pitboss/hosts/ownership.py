"""Tells a run's processes from those of its twin in a copy of the repository, which has the same notes (SPEC 7)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss import proctree
from pitboss.core.environment import WORKTREE
from pitboss.store.opening import status
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Iterable


def own(paths: RunPaths, pids: Iterable[int]) -> list[int]:
    """Those of the processes that do not work for a run of the same name in another folder.

    A repository that was moved took the folder along: then its processes are this run's.
    """
    return [pid for pid in pids if not _is_of_twin(paths, pid)]


def _is_of_twin(paths: RunPaths, pid: int) -> bool:
    ours = status(paths.root)
    for place in map(Path, proctree.places(pid, WORKTREE)):
        for folder in (place, *place.parents):
            run = status(RunPaths(folder, paths.run_id).root)
            if run is not None:
                return ours is None or not os.path.samestat(run, ours)
    return False
