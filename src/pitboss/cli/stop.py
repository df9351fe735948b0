"""`pitboss stop`: asks the live run to finish, or to stop at once (SPEC 5, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pitboss.cli.chosen import live_run
from pitboss.cli.output import say
from pitboss.cli.project import project_root
from pitboss.core.embed import one_line
from pitboss.store.follow import Request, request, snapshot
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path


@click.command()
@click.option("--now", is_flag=True, help="Stop the agents too; their work is rescued.")
def stop(*, now: bool) -> None:
    """Ask the live run to end after the sessions in flight, or at once."""
    repo = project_root()
    run_id, _ = live_run(repo)
    sessions = in_flight(repo, run_id)
    request(RunPaths(repo, run_id), Request.ABORT if now else Request.DRAIN)
    say(f"run {run_id} {_ending(sessions, now=now)}")


def in_flight(repo: Path, run_id: str) -> list[str]:
    """The sessions that run now, as people name them."""
    state = snapshot(repo, run_id, last=0).state
    return [f"session-{s.seq:04} ({one_line(s.prompt)})" for s in state.in_flight] if state else []


def _ending(sessions: list[str], *, now: bool) -> str:
    if not sessions:
        return "stops before it starts another session"
    if now:
        return f"stops now: {', '.join(sessions)} will be recorded as aborted, its work rescued"
    return f"stops when {', '.join(sessions)} has ended; `pitboss stop --now` does not wait"
