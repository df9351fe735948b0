"""Which run an observing command is about (SPEC 8)."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.core.condition import condition
from pitboss.errors import CommandError, NoLiveRun, PitbossError
from pitboss.store.catalogue import find_run, latest_run, run_of
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import lock_holder
from pitboss.store.opening import is_folder
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.run import RunState
    from pitboss.store.lock import LockInfo


def chosen_run(repo: Path, requested: str | None) -> str:
    """The run with the `requested` id or prefix; by default the live run, else the one that changed last.

    Raises RunNotFound, AmbiguousRun, and CommandError when there is no run at all or the live one has not begun.
    """
    if requested is not None:
        return find_run(repo, requested).run_id
    holder = lock_holder(*lock_paths(repo))
    if holder is not None and holder.run_id is not None:
        return _begun(repo, holder.run_id, holder)
    latest = latest_run(repo)
    if latest is None:
        raise CommandError(f"there are no runs under {repo}", hint="`pitboss grind` starts one")
    return latest


def name_latest_run(error: PitbossError, repo: Path) -> None:
    """Let its hint name the run that changed last, and continue none, for an error that is not about any one run."""
    error.name_no_run()
    if error.hint is not None and "RUN_ID" in error.hint:
        with suppress(PitbossError):
            if (latest := latest_run(repo)) is not None:
                error.name_run(latest)


def damage_of(repo: Path, run_id: str) -> str | None:
    """What is wrong with the log of a run, in words; None if it has every record, or only its copy is left."""
    from pitboss.store.follow import snapshot

    seen = snapshot(repo, run_id, last=sys.maxsize)
    return seen.problem if seen.state is not None and is_folder(RunPaths(repo, run_id).root) else None


def require_whole(repo: Path, run_id: str) -> None:
    """Raise CommandError if the log of a run has lost records, so that nobody takes the rest for all of it."""
    if (damage := damage_of(repo, run_id)) is not None:
        raise CommandError(
            f"run {run_id} cannot be read in full: {damage}", hint=f"`pitboss repair {run_id}` restores it"
        )


def live_run(repo: Path, instead: str) -> str:
    """The id of the live run.

    Raises NoLiveRun, whose hint says what to do `instead`, and CommandError when it has not begun.
    """
    holder = lock_holder(*lock_paths(repo))
    if holder is None:
        raise NoLiveRun("no run is live in this working tree", hint=instead)
    run_id = run_of(repo, holder)
    if run_id is None:
        raise CommandError("a run is just starting", hint="ask again in a moment")
    return _begun(repo, run_id, holder)


def _begun(repo: Path, run_id: str, holder: LockInfo) -> str:
    """`run_id`, if its directory exists: a run first takes the lock, may try its agents, and only then begins."""
    if is_folder(RunPaths(repo, run_id).root):
        return run_id
    raise CommandError(
        f"run {run_id} has not begun: it is still trying its agents, or just starting",
        hint=f"end it with Ctrl-C where it was started, or with `kill -INT {holder.pid}`",
    )


def run_json(run_id: str, state: RunState | None, problem: str | None, *, live: bool) -> dict[str, object]:
    """A run in the shape that `runs --json` and `status --json` share (docs/reference/json.md)."""
    used = state.budget_consumed if state else None
    return {
        "run_id": run_id,
        "condition": condition(state, live=live),
        "status": state and state.status,
        "rotation": state and state.plan_name,
        "branch": state and state.branch,
        "started_at": state and state.started_at,
        "last_updated_at": state and state.last_updated_at,
        "stop_reason": state and state.stop_reason,
        "sessions": used and used.iterations,
        "tokens": used and {"input": used.tokens_input, "output": used.tokens_output},
        "cost_usd": used and used.cost_usd,
        "cost_known": state and state.cost_known,
        "problem": problem,
    }
