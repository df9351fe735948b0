"""Examines a dead run before its recovery: what is left of it, and what to do about that (SPEC 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.recovery.refusals import refuse_what_only_a_person_may_settle
from pitboss.engine.dead_run import inspect

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.recovery.facts import DeadRun, Facts
    from pitboss.core.recovery.repairs import Repair
    from pitboss.engine.ports import Hosts
    from pitboss.git.repo import Repo
    from pitboss.store.rundir import RunDir


def examine(
    rundir: RunDir,
    repo: Repo,
    hosts: Callable[[], Hosts],
    *,
    goes_on_here: bool = False,
    force: bool = False,
    judge: Callable[[DeadRun], None] | None = None,
) -> tuple[DeadRun, Facts, tuple[Repair, ...]]:
    """What is left of a run and what to do about it.

    Raises the refusals of SPEC 7, and what `judge` raises, before it ends any process. `hosts` are asked only about
    sessions that were cut short.
    """
    dead, facts = inspect(rundir, repo, hosts, goes_on_here=goes_on_here, force=force)
    refuse_what_only_a_person_may_settle(facts)
    if judge is not None:
        judge(dead)
    from pitboss.core.recovery.plan import plan_recovery
    from pitboss.engine.mending import end_strays

    if end_strays(dead, hosts):
        # The strays may have changed the tree while it was being examined.
        dead, facts = inspect(rundir, repo, hosts, goes_on_here=goes_on_here, force=force)
    return dead, facts, plan_recovery(facts)
