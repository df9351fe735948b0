"""Claims a queued task for one session among all runs of a repository, whatever becomes of its file (SPEC 10).

A claim is a symbolic link that leads nowhere, `pitboss/tasks/ID` in git's common folder: making it is atomic, fails if
the name is taken, and its target says whose it is. Claims are never removed. They are there because a file that was
taken may come back: moved by hand, copied to another working tree, restored from a backup.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.digits import number_in
from pitboss.errors import storage_error
from pitboss.store.git_dir import common_folder
from pitboss.store.opening import entry_at, names_in

if TYPE_CHECKING:
    from pathlib import Path


class Claim(NamedTuple):
    """The session that took a task."""

    run_id: str
    seq: int


def claim(repo: Path, task_id: str, by: Claim) -> bool:
    """Whether the task is that session's: it claims it now, durably, unless another one has. Raises StorageError."""
    folder = _folder(repo)
    if folder is None:
        return False
    path = folder / task_id
    try:
        with entry_at(path, make=True) as at:
            os.symlink(f"{by.run_id}:{by.seq}", at.name, dir_fd=at.folder)
            os.fsync(at.folder)
    except FileExistsError:
        return claimed(repo, task_id) == by
    except OSError as error:
        raise storage_error("write", path, error) from error
    return True


def claimed(repo: Path, task_id: str) -> Claim | None:
    """The session that took the task; None if it may still be taken."""
    folder = _folder(repo)
    if folder is None:
        return None
    try:
        with entry_at(folder / task_id) as at:
            run_id, _, seq = os.readlink(at.name, dir_fd=at.folder).rpartition(":")
    except FileNotFoundError:
        return None
    except OSError:
        return Claim("unknown", 0)
    return Claim(run_id, number_in(seq) or 0)


def claims_of(repo: Path, run_id: str) -> dict[int, str]:
    """The tasks that sessions of a run took, by the number of the session."""
    folder, found = _folder(repo), dict[int, str]()
    for task_id in () if folder is None else names_in(folder):
        by = claimed(repo, task_id)
        if by is not None and by.run_id == run_id:
            found[by.seq] = task_id
    return found


def _folder(repo: Path) -> Path | None:
    git = common_folder(repo)
    return git and git / "pitboss" / "tasks"
