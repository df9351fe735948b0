"""Gathers the facts for a report: the files of its runs, and what git knows of their commits (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.condition import condition
from pitboss.core.needs import needs
from pitboss.core.report.morning import MorningReport, RunFacts, morning_report
from pitboss.core.report.sessions import Known
from pitboss.store.catalogue import changed_at, list_runs
from pitboss.store.run_watch import RunWatch
from pitboss.store.situation import situation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path

    from pitboss.screens.desk import Desk


def report_on(
    repo: Path,
    run_ids: Sequence[str],
    desk: Desk,
    now: datetime,
    *,
    since: datetime | None = None,
    ended: bool = False,
) -> MorningReport:
    """The report on some runs, in the order in which they began; `since`: only on sessions that ended after that.

    `ended` says that they are over, though their lock is still held. Raises RunNotFound, AmbiguousRun.
    """
    facts = [_facts(repo, run_id, desk, since=since, ended=ended) for run_id in sorted(run_ids)]
    return morning_report(facts, now, here)


def runs_since(repo: Path, since: datetime) -> tuple[str, ...]:
    """The runs in which anything happened since then, oldest first; those that cannot be read are among them."""
    return tuple(sorted(run.run_id for run in list_runs(repo) if changed_at(run) >= since.timestamp()))


def here(moment: datetime) -> str:
    """A time where the report is made: `2026-11-26 03:10`."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def _facts(repo: Path, run_id: str, desk: Desk, *, since: datetime | None, ended: bool) -> RunFacts:
    seen = RunWatch(repo, run_id).look()
    records = tuple(each for each in seen.records if since is None or each.ended_at >= since)
    how = condition(seen.state, live=seen.live is not None and not ended)
    asked = None if seen.state is None else desk.begin_in_git(seen.state)
    touched = desk.touched(seen.records)  # git answers both questions at the same time
    git = None if asked is None else asked()
    prompts = seen.view.prompts if seen.view.version else ()  # an event told of them
    return RunFacts(
        run_id=seen.run_id,
        condition=how,
        state=seen.state,
        problem=seen.problem,
        records=records,
        in_flight=() if ended else seen.view.in_flight,
        needs=needs(situation(repo, seen, git, condition=how)),
        known=Known(
            touched=touched,
            tracks=seen.tracks,
            verify={each.name: each.verify for each in prompts},
            kept=None if git is None else frozenset(git.rescued),
        ),
    )
