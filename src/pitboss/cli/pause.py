"""`pitboss pause`: the live run starts no new session until it is unpaused (SPEC 10)."""

from __future__ import annotations

from pitboss.cli.shared.declare import command
from pitboss.cli.shared.steering import LiveRun
from pitboss.core.requests import Pause


@command()
def pause() -> None:
    """Ask the live run to start no new session.

    Those in flight finish, and the run stays live. Its end time, its other budgets, `pitboss stop` and Ctrl-C still
    count. A run that is resumed is not paused.
    """
    LiveRun("a run at rest starts nothing; `pitboss grind --resume` goes on with the last one").ask(
        Pause(), by="pause"
    )
