"""`pitboss runs`: every run, newest first, unreadable ones too (SPEC 8)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from pitboss.cli.chosen import condition, run_json
from pitboss.cli.output import Ink, columns, paint, paint_status, say, write_json
from pitboss.cli.project import project_root
from pitboss.core.embed import one_line
from pitboss.core.measures import age, spent, stamp, tokens
from pitboss.store.git_folder import lock_paths
from pitboss.store.lock import lock_holder
from pitboss.store.rundir import RunListing, list_runs

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = ("RUN", "STATE", "SESSIONS", "TOKENS", "COST", "UPDATED", "ROTATION", "WHY")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def runs(*, as_json: bool) -> None:
    """List every run, newest first."""
    repo = project_root()
    listings, live = list_runs(repo), _live_run_id(repo)
    if as_json:
        write_json(
            [run_json(run.run_id, run.state, run.problem, live=run.run_id == live) for run in listings]
        )
    elif not listings:
        say("no runs yet")
    else:
        _print(listings, live, datetime.now(UTC))


def _live_run_id(repo: Path) -> str | None:
    holder = lock_holder(*lock_paths(repo))
    return holder.run_id if holder is not None else None


def _print(listings: list[RunListing], live: str | None, now: datetime) -> None:
    rows = [_HEADER, *(_row(run, now, live=run.run_id == live) for run in listings)]
    widths = columns(rows)
    states = {row[1]: paint_status(row[1], widths[1]) for row in rows[1:]}
    for number, row in enumerate(rows):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if number == 0:
            cells = [paint(cell, Ink.FAINT) for cell in cells]
        else:
            cells[1] = states[row[1]]
        say("  ".join(cells).rstrip())


def _row(run: RunListing, now: datetime, *, live: bool) -> tuple[str, ...]:
    state, how = run.state, str(condition(run.state, live=live))
    if state is None:
        return (one_line(run.run_id), how, "-", "-", "-", "-", "-", one_line(run.problem or ""))
    used = state.budget_consumed
    return (
        one_line(run.run_id),
        how,
        str(used.iterations),
        tokens(used.tokens),
        spent(used.cost_usd, known=state.cost_known),
        f"{stamp(state.last_updated_at)} ({age(state.last_updated_at, now)})",
        one_line(state.plan_name),
        one_line(state.stop_reason or ""),
    )
