"""Finds out where a run begins, and what to tell its user about that (SPEC 5, 8)."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss import __version__
from pitboss.core.events import PromptFacts, RunStarted
from pitboss.core.rotation import contenders
from pitboss.core.worker import implementer
from pitboss.errors import PitbossError, StartError
from pitboss.git.switch import HeadPosition, Switch
from pitboss.landing.refs import RUN_BRANCHES
from pitboss.store.catalogue import find_run
from pitboss.store.disorder import left_in_tree
from pitboss.store.opening import is_folder
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pitboss.core.mission import Mission
    from pitboss.core.scheduler import Contender
    from pitboss.engine.journal import Journal
    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus


def look_ready(checked: Callable[[], TreeStatus], root: Path) -> TreeStatus:
    """What `landing.readiness` finds, with a better hint if an earlier run left the tree in disorder."""
    try:
        return checked()
    except StartError as error:
        if hint := left_in_tree(root):
            raise StartError(error.message, hint=hint) from error
        raise


def start_from(repo: Repo, here: HeadPosition, revision: str | None, *, in_place: bool) -> HeadPosition:
    """Where a run begins: at `revision`, else at the current checkout. Raises StartError; changes nothing."""
    if revision is None:
        return here
    start = HeadPosition.of(repo, revision)
    if start is None:
        raise StartError(
            f"creating run branch: there is no commit {revision} to start from",
            hint="`--from` takes a branch, a tag or a commit; `git branch --all` lists the branches",
        )
    switch = Switch(repo, RunPaths(repo.root, "").switch)
    if in_place and (obstacle := switch.obstacle(HeadPosition(commit=start.commit))):
        raise StartError(f"cannot start from {revision}: {obstacle}", hint="resolve that, then try again")
    return start


def earlier_run(repo: Repo, start: HeadPosition) -> str | None:
    """A warning if the run would begin on top of an earlier one's work (SPEC 8)."""
    name = start.branch or ""
    run_id = name.removeprefix(RUN_BRANCHES)
    if run_id == name or not is_folder(RunPaths(repo.root, run_id).root):
        return None
    from shlex import quote  # few runs begin there

    with suppress(PitbossError):
        began_on = find_run(repo.root, run_id).state
        other = (began_on and began_on.original_branch) or "REV"
        begins = f"this run begins on the branch of run {run_id}, on top of its work"
        return f"{begins}; `--from {quote(other)}` begins elsewhere"
    return None


def started(
    mission: Mission, journal: Journal, *, host: str, next_pick: str | None, resumed: bool
) -> RunStarted:
    """What viewers learn about a run whose loop is about to start on the machine `host` (SPEC 9)."""
    run = journal.state
    return RunStarted(
        run_id=run.run_id,
        branch=run.branch,
        base_commit=run.base_commit,
        rotation=run.plan_name,
        prompts=tuple(_facts(mission, taker) for taker in contenders(mission.rotation, mission.prompts)),
        caps=mission.caps,
        mode=mission.config.grind.mode,
        max_parallel=mission.max_parallel,
        pid=os.getpid(),
        host=host,
        resumed=resumed,
        version=__version__,
        used=journal.consumed,
        cost_known=run.cost_known,
        last_seq=journal.next_seq() - 1,
        next_pick=next_pick,
        started_at=run.started_at,
    )


def _facts(mission: Mission, taker: Contender) -> PromptFacts:
    meta = mission.prompts[taker.name].meta
    worker = implementer(mission.config, meta)
    return PromptFacts(
        name=taker.name,
        weight=taker.weight,
        every=taker.every,
        max_runs=taker.max_runs,
        parallel_safe=meta.parallel_safe,
        verify=meta.verify,
        agent=worker.agent,
        model=worker.model,
    )
