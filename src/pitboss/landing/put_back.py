"""Restores git's settings after a session was cut short, before any git command runs (SPEC 1.6, 7)."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

from pitboss.core.recovery.refusals import StateUnreadable
from pitboss.errors import PitbossError
from pitboss.git.repo import Repo
from pitboss.store.catalogue import find_run, most_recent_resumable, read_state
from pitboss.store.end_marker import ended_ns
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import lock_holder
from pitboss.store.paths import RunPaths
from pitboss.store.rundir import RunDir

if TYPE_CHECKING:
    from pathlib import Path


def put_back_settings(root: Path, requested: str | None) -> tuple[str, ...]:
    """Let git find the repository at `root` again, whatever a killed session changed; returns the warnings.

    The run is the one `requested`, else the one a resume would pick. Does nothing while a run is live, if no session
    was cut short. If `.git` is not a folder now but was one, that folder is put back; the config of a worktree or
    submodule is left alone, as only git can find it.
    """
    if lock_holder(*lock_paths(root)) is not None:
        return ()
    git_dir = root / ".git"
    with suppress(PitbossError):
        run = find_run(root, requested) if requested else most_recent_resumable(root)
        rundir = run and RunDir(RunPaths(root, run.run_id))
        if rundir and (gone_at := cut_short_before(rundir)) > -inf:
            from pitboss.landing.guard import Guard

            guard = Guard(Repo(root, git_dir, git_dir), rundir.paths.root)
            told = guard.bring_back(gone_at)
            is_folder = git_dir.is_dir() and not git_dir.is_symlink()
            return told + (guard.resume(gone_at) if is_folder else ())
    return ()


def cut_short_before(rundir: RunDir) -> float:
    """Until when a change in git's settings may be the work of a session that was cut short; epoch seconds.

    That is when the guardian saw the run's last process end: infinity if the guardian was killed too, and minus
    infinity if no session was in flight.
    """
    try:
        in_flight = read_state(rundir.paths).in_flight
    except StateUnreadable:
        return inf
    if not in_flight:
        return -inf
    seen = ended_ns(rundir.paths)
    ended = inf if seen is None else seen / 10**9
    return ended if ended >= min(s.assignment.started_at for s in in_flight).timestamp() else inf
