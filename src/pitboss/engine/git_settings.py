"""Puts back git's settings after a session that was cut short, before git is asked anything (SPEC 1.6, 7)."""

from __future__ import annotations

from contextlib import suppress
from math import inf
from typing import TYPE_CHECKING

from pitboss.core.recovery.refusals import StateUnreadable
from pitboss.errors import PitbossError
from pitboss.git.repo import Repo
from pitboss.landing.guard import Guard
from pitboss.store.catalogue import find_run, most_recent_resumable, read_state
from pitboss.store.end_marker import ended_ns
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import lock_holder
from pitboss.store.paths import RunPaths
from pitboss.store.rundir import RunDir

if TYPE_CHECKING:
    from pathlib import Path


def put_back_settings(root: Path, requested: str | None) -> tuple[str, ...]:
    """Let git find the repository at `root` again, whatever a killed session of a run set; returns what to warn of.

    The run is the one `requested`, else the one that a resume would take. Nothing is done while a run is live, nor
    where `.git` is no folder: a worktree's or a submodule's config is found by git alone.
    """
    git_dir = root / ".git"
    if not git_dir.is_dir() or git_dir.is_symlink() or lock_holder(*lock_paths(root)) is not None:
        return ()
    with suppress(PitbossError):
        run = find_run(root, requested) if requested else most_recent_resumable(root)
        if run is not None:
            rundir = RunDir(RunPaths(root, run.run_id))
            return Guard(Repo(root, git_dir, git_dir), rundir.paths.root).resume(cut_short_before(rundir))
    return ()


def cut_short_before(rundir: RunDir) -> float:
    """Until when what changed in git's settings may be the work of a session that was cut short.

    That is when the guardian saw the last process of the run end, for ever when it did not live to see that, and
    never when no session was in flight; in seconds since the epoch.
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
