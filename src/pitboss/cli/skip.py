"""`pitboss skip`: stops one or all sessions in flight; the run goes on with the next (SPEC 6, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.cli.shared import completing
from pitboss.cli.shared.declare import argument, command
from pitboss.cli.shared.given import whole
from pitboss.cli.shared.steering import LiveRun
from pitboss.core.requests import Skip
from pitboss.core.words.deeds import named
from pitboss.errors import CommandError

if TYPE_CHECKING:
    from pitboss.core.view import View


@command()
@argument("seq", type=whole(1), required=False, shell_complete=completing.in_flight)
def skip(*, seq: int | None) -> None:
    """Skip the sessions in flight, or session SEQ alone.

    The agent is stopped, its work rescued, and the run goes on.
    """
    live = LiveRun()
    _refuse_absent(seq, live.view)
    live.ask(Skip(seq=seq), by="skip")


def _refuse_absent(seq: int | None, view: View) -> None:
    seqs = [flight.seq for flight in view.in_flight]
    if not seqs:
        raise CommandError(
            f"run {view.run_id} has no session in flight to skip", hint="ask again in a moment"
        )
    if seq is not None and seq not in seqs:
        raise CommandError(
            f"session {seq} is not in flight; in flight: {named(seqs, view)}",
            hint="`pitboss status` shows what runs now",
        )
