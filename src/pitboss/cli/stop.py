"""`pitboss stop`: asks the live run to finish, or to stop at once (SPEC 5, 8)."""

from __future__ import annotations

from pitboss.cli.shared.declare import command, option
from pitboss.cli.shared.steering import LiveRun
from pitboss.core.requests import Stop


@command()
@option("--now", is_flag=True, help="Stop the agents too; their work is rescued.")
def stop(*, now: bool) -> None:
    """Ask the live run to end after the sessions in flight, or at once."""
    LiveRun().ask(Stop(now=now), by="stop")
