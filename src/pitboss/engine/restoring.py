"""Restores lost files of a run at rest from the copy in git's folder, before anything reads the run (SPEC 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from pitboss.landing.landed import landed_sessions
from pitboss.store.backup import Backup
from pitboss.store.catalogue import read_state
from pitboss.store.paths import RunPaths
from pitboss.store.restore import bring_back, find_lost
from pitboss.store.rundir import RunDir

if TYPE_CHECKING:
    from pitboss.git.repo import Repo
    from pitboss.store.restore import Lost


def lost_files(repo: Repo, run_id: str, *, force: bool) -> list[Lost]:
    """What `restore_files` would restore; changes nothing. Raises StorageError."""
    return find_lost(RunPaths(repo.root, run_id), Backup(repo.root), force=force)


def restore_files(repo: Repo, run_id: str, *, force: bool) -> list[str]:
    """Restore lost files, under the run's lock; returns what to tell the user. Raises StorageError, GitError."""
    lost = lost_files(repo, run_id, force=force)
    told = bring_back(lost)
    paths = RunPaths(repo.root, run_id)
    if any(file.path == paths.state for file in lost):
        with RunDir(paths) as rundir:
            _forget_landed(repo, rundir)
    return told


def _forget_landed(repo: Repo, rundir: RunDir) -> None:
    """The copy was made when the last session began; if that session has landed since, its commit says so."""
    state = read_state(rundir.paths)
    tip = repo.commit_id(f"refs/heads/{state.branch}")
    landed = landed_sessions(repo, state.run_id, tip, state.base_commit)
    in_flight = tuple(s for s in state.in_flight if s.progress.outcome is not None or s.seq not in landed)
    if in_flight != state.in_flight:
        rundir.checkpoint(replace(state, in_flight=in_flight))
