"""What of a run needs a person, for commands that print it and end (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.condition import Condition, condition
from pitboss.core.needs import Need, NeedKind, asks_git, landing_command, needs
from pitboss.errors import PitbossError
from pitboss.store.catalogue import read_state
from pitboss.store.follow import Snapshot, snapshot
from pitboss.store.paths import RunPaths
from pitboss.store.situation import records_that_may_need, situation

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.needs import InGit
    from pitboss.core.session import SessionRecord
    from pitboss.git.repo import Repo


def needs_of(root: Path, seen: Snapshot) -> tuple[Need, ...]:
    """The needs of a run, live or not; git is asked only if it can know something about them."""
    records = _records(root, seen.run_id)
    ended = seen.condition in (Condition.COMPLETED, Condition.ABORTED)
    git = _in_git(root, None, seen) if ended or any(map(asks_git, records)) else None
    return needs(situation(root, seen, git, records=records))


def needs_at_the_end(repo: Repo, run_id: str) -> tuple[Need, ...]:
    """The needs of a run that has just ended, though its processes still hold the lock.

    That its commits have not landed goes without saying: the last lines of `grind` say where the work is.
    """
    from pitboss.landing.rescue_refs import may_have_any

    root = repo.root
    try:
        seen = snapshot(root, run_id, last=0)
    except PitbossError:
        return ()
    records = _records(root, run_id)
    git = _in_git(root, repo, seen) if may_have_any(repo, run_id) or any(map(asks_git, records)) else None
    how = condition(seen.state, live=False)
    listed = needs(situation(root, seen, git, records=records, condition=how))
    return tuple(need for need in listed if need.kind is not NeedKind.NOT_LANDED)


def way_home(repo: Repo, run_id: str) -> str | None:
    """The command that takes the work of a run home; None if there is none on its branch."""
    from pitboss.landing.target import likely_target

    try:
        state = read_state(RunPaths(repo.root, run_id))
        base = state.base_commit
        if base is not None and repo.commit_id(f"refs/heads/{state.branch}") == base:
            return None
        return landing_command(state, likely_target(repo, state))
    except PitbossError:
        return f"pitboss land {run_id}"


def _records(root: Path, run_id: str) -> tuple[SessionRecord, ...]:
    try:
        return records_that_may_need(root, run_id)
    except PitbossError:
        return ()


def _in_git(root: Path, repo: Repo | None, seen: Snapshot) -> InGit | None:
    if seen.state is None:
        return None
    from pitboss.cli.shared.desk import RepositoryDesk

    return RepositoryDesk(root, repo).in_git(seen.state)
