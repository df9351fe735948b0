"""`pitboss unpause`: the live run starts sessions again (SPEC 10)."""

from __future__ import annotations

from pitboss.cli.shared.declare import command
from pitboss.cli.shared.steering import LiveRun
from pitboss.core.requests import Unpause


@command()
def unpause() -> None:
    """Ask the live run to start sessions again, after `pitboss pause`."""
    LiveRun("`pitboss grind --resume` goes on with the last run").ask(Unpause(), by="unpause")
