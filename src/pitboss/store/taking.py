"""How a run takes tasks from the queue, each of them once, and where they are then (SPEC 10).

A task is taken in three steps: the session is in flight with its id (`engine.dispatching`), the task is claimed
(`store.claims`), its file is moved into the run directory. Each of them is durable before the next. Only then does
its agent start, so a task that somebody removed, or that another run took, is not run.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.core.recovery.refusals import StateUnreadable
from pitboss.errors import InputError, storage_error
from pitboss.store.catalogue import read_state
from pitboss.store.claims import Claim, claim, claimed
from pitboss.store.opening import entry_at, is_plain, names_in, status
from pitboss.store.paths import RunPaths, queue_dir
from pitboss.store.queue import SUFFIX, own_file, parsed

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.prompt import PromptDoc


def take(repo: Path, paths: RunPaths, task_id: str, seq: int) -> bool:
    """Take a task for session `seq`, which is in flight; False if it is gone or another session has it.

    Durable when this returns; may be repeated. Raises StorageError.
    """
    if not claim(repo, task_id, Claim(paths.run_id, seq)):
        return False
    source, target = queue_dir(repo) / f"{task_id}{SUFFIX}", paths.queued_task(task_id)
    try:
        with entry_at(target, make=True) as there, entry_at(source) as here:
            os.rename(here.name, there.name, src_dir_fd=here.folder, dst_dir_fd=there.folder)
            os.fsync(there.folder)
            os.fsync(here.folder)
    except FileNotFoundError:
        return status(target) is not None
    except OSError as error:
        raise storage_error("move", source, error) from error
    return True


def is_unmoved(repo: Path, run_id: str, task_id: str, seq: int) -> bool:
    """Whether the file of a task that session `seq` was about to take is still in the queue."""
    by = claimed(repo, task_id)
    there = status(queue_dir(repo) / f"{task_id}{SUFFIX}") is not None
    return there and by in (None, Claim(run_id, seq))


def taken(paths: RunPaths, task_id: str) -> PromptDoc | None:
    """A task that a run took; None if its file cannot be read."""
    path = paths.queued_task(task_id)
    try:
        return parsed(os.fspath(path), own_file(path)[0])
    except (InputError, OSError):
        return None


def taken_files(paths: RunPaths) -> dict[str, str]:
    """The files of the tasks that a run took, by id; those that were queued again are not among them."""
    names = (name for name in sorted(names_in(paths.queued)) if name.endswith(SUFFIX))
    return {name.removesuffix(SUFFIX): str(paths.queued / name) for name in names}


def was_queued_again(repo: Path, file: Path) -> None:
    """If `file` is that of a task which a run took and is no longer in flight, mark it: nobody need queue it again.

    It stays beside the others, under another name. A failure does no harm.
    """
    run_id = file.parent.parent.name
    paths = RunPaths(repo, run_id)
    if not is_plain(paths.queued / file.name) or not file.samefile(paths.queued / file.name):
        return
    with suppress(OSError, StateUnreadable), entry_at(paths.queued / file.name) as at:
        in_flight = {session.assignment.queued for session in read_state(paths).in_flight}
        if file.name.removesuffix(SUFFIX) not in in_flight:
            os.rename(at.name, f"{at.name}.again", src_dir_fd=at.folder, dst_dir_fd=at.folder)
