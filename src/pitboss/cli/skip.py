"""`pitboss skip`: stops the sessions in flight; the run goes on with the next (SPEC 6, 8)."""

from __future__ import annotations

import click

from pitboss.cli.chosen import live_run
from pitboss.cli.output import say
from pitboss.cli.project import project_root
from pitboss.cli.stop import in_flight
from pitboss.errors import CommandError
from pitboss.store.follow import Request, request
from pitboss.store.paths import RunPaths


@click.command()
def skip() -> None:
    """Skip the session that runs now: its agent is stopped, its work rescued, and the run goes on."""
    repo = project_root()
    run_id, _ = live_run(repo)
    sessions = in_flight(repo, run_id)
    if not sessions:
        raise CommandError(f"run {run_id} has no session in flight to skip", hint="ask again in a moment")
    request(RunPaths(repo, run_id), Request.SKIP)
    say(f"run {run_id} skips {', '.join(sessions)}: recorded as skipped, work rescued")
