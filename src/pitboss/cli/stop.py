"""`pitboss stop`: asks the live run to finish, or to stop at once (SPEC 5, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.cli.shared.chosen import live_run
from pitboss.cli.shared.declare import command, option
from pitboss.cli.shared.project import project_root
from pitboss.screens.lines import named
from pitboss.screens.output import say
from pitboss.store.follow import snapshot
from pitboss.store.mailbox import Request, request
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.session import InFlight


@command()
@option("--now", is_flag=True, help="Stop the agents too; their work is rescued.")
def stop(*, now: bool) -> None:
    """Ask the live run to end after the sessions in flight, or at once."""
    repo = project_root()
    run_id, _ = live_run(repo)
    sessions = snapshot(repo, run_id, last=0).in_flight
    request(RunPaths(repo, run_id), Request.ABORT if now else Request.DRAIN)
    say(f"run {run_id} {_ending(sessions, now=now)}")


def _ending(sessions: Sequence[InFlight], *, now: bool) -> str:
    if not sessions:
        return "stops before it starts another session"
    have, whose = ("has", "its") if len(sessions) == 1 else ("have", "their")
    if now:
        return f"stops now: {named(sessions)} will be recorded as aborted, {whose} work rescued"
    return f"stops when {named(sessions)} {have} ended; `pitboss stop --now` does not wait"
