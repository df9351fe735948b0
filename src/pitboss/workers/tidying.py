"""Removes working copies and clones of runs that are over from a worker's disk, but never work (SPEC 14)."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

from pitboss.core.leases import Stage
from pitboss.errors import PitbossError
from pitboss.git.repo import Repo
from pitboss.landing import rescue_refs
from pitboss.landing.listing import session_worktrees
from pitboss.landing.worktrees import remove_worktree
from pitboss.store.opening import names_in, remove_tree
from pitboss.store.paths import RunPaths, runs_dir
from pitboss.workers.begun import BegunAttempts
from pitboss.workers.clones import DAMAGED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

RUN_IDLE_S = 24 * 3600.0
"""Seconds after which a run's working copies are removed: it has ended, or makes new ones."""

CLONE_IDLE_S = 30 * 24 * 3600.0
"""Seconds without a session after which a clone is removed."""

LOW = 0.1
"""Below this share of free disk, every clone that no recent run used is removed at once."""


def tidy_worker(folder: Path, now: float | None = None) -> None:
    """Remove what is old from a worker's folder; `now` is in epoch seconds. No session may be in flight there."""
    now = time.time() if now is None else now
    begun = BegunAttempts(folder / "begun")
    held = {attempt.run_id for attempt in begun.unfinished()}
    usage = shutil.disk_usage(folder)
    patience_s = RUN_IDLE_S if usage.free < LOW * usage.total else CLONE_IDLE_S
    for clone in _clones(folder):
        runs = list(names_in(runs_dir(clone.root)))
        changed = _changed(clone.root, runs_dir(clone.root))
        used = max([changed, *(_used(clone, run_id) for run_id in runs)])
        for run_id in runs:
            if run_id not in held and now - _used(clone, run_id) > RUN_IDLE_S:
                _remove_run(clone, run_id, begun)
        unused = now - used > patience_s and not names_in(runs_dir(clone.root))
        if unused and not rescue_refs.list_rescued(clone):
            remove_tree(clone.root)
    begun.fold(now - RUN_IDLE_S)  # last: the notes say which work is at home


def tidy_local(folders: Iterable[Path], repo: Repo) -> None:
    """Remove the folders of a run's own workers, which have ended, but those with work that is not in `repo`."""
    for folder in folders:
        unfinished = list(BegunAttempts(folder / "begun").unfinished())
        if (
            not unfinished
            and not names_in(folder / DAMAGED)
            and all(_is_safe(clone, repo) for clone in _clones(folder))
        ):
            remove_tree(folder)


def local_folders(run: Path) -> tuple[Path, ...]:
    """The folders that workers of its own left in a run directory."""
    workers = run / "workers"
    return tuple(workers / name for name in names_in(workers) if (workers / name / "begun").is_dir())


def _is_safe(clone: Repo, repo: Repo) -> bool:
    for run_id in names_in(runs_dir(clone.root)):
        for path in session_worktrees(clone, run_id):
            remove_worktree(clone, run_id, path)
        if _has_files(clone, run_id):
            return False
    return all(repo.commit_id(kept.oid) is not None for kept in rescue_refs.list_rescued(clone))


def _remove_run(clone: Repo, run_id: str, begun: BegunAttempts) -> None:
    """Remove a run from a clone, all of whose attempts are over: what those handed over is at home.

    What a process wrote into a slot that its session had left was rescued here later, and is nowhere else.
    """
    for path in session_worktrees(clone, run_id):
        remove_worktree(clone, run_id, path)
    for each in rescue_refs.list_rescued(clone, run_id):  # that of a slot's last session, too
        if _is_at_home(each, run_id, begun):
            rescue_refs.drop(clone, each)
    if not _has_files(clone, run_id):
        remove_tree(RunPaths(clone.root, run_id).root)


def _has_files(clone: Repo, run_id: str) -> bool:
    """Whether what sessions left is in a run's folder, as git could not take it: it is nowhere else."""
    paths = RunPaths(clone.root, run_id)
    folders = (paths.set_aside(0).parent, paths.nested(0).parent)
    return any(name.startswith("session-") for folder in folders for name in names_in(folder))


def _is_at_home(kept: rescue_refs.Rescued, run_id: str, begun: BegunAttempts) -> bool:
    found = None if kept.seq is None else begun.find(run_id, kept.seq, 1)
    return found is not None and found.stage is Stage.OVER and kept.oid in (found.left or ())


def _used(clone: Repo, run_id: str) -> float:
    """When a run last had a session in a clone, in epoch seconds."""
    paths = RunPaths(clone.root, run_id)
    return _changed(paths.root, paths.transcripts)


def _changed(*folders: Path) -> float:
    """When the content of any of these folders last changed."""
    return max((folder.stat().st_mtime for folder in folders if folder.exists()), default=0.0)


def _clones(folder: Path) -> Iterator[Repo]:
    for name in names_in(folder / "repositories"):
        if (folder / "repositories" / name / ".git" / "HEAD").exists():
            try:
                yield Repo.discover(folder / "repositories" / name, purpose="tidying a clone")
            except PitbossError:
                continue  # damaged: opening it for a session will report that
