"""`pitboss skip`: stops one or all sessions in flight; the run goes on with the next (SPEC 6, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.cli.shared import completing
from pitboss.cli.shared.chosen import live_run
from pitboss.cli.shared.declare import argument, command
from pitboss.cli.shared.given import whole
from pitboss.cli.shared.project import project_root
from pitboss.errors import CommandError
from pitboss.screens.lines import named
from pitboss.screens.output import say
from pitboss.store.follow import snapshot
from pitboss.store.mailbox import Request, request, request_skip
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.session import InFlight


@command()
@argument("seq", type=whole(1), required=False, shell_complete=completing.in_flight)
def skip(*, seq: int | None) -> None:
    """Skip the sessions in flight, or session SEQ alone.

    The agent is stopped, its work rescued, and the run goes on.
    """
    repo = project_root()
    run_id, _ = live_run(repo)
    sessions = snapshot(repo, run_id, last=0).in_flight
    if not sessions:
        raise CommandError(f"run {run_id} has no session in flight to skip", hint="ask again in a moment")
    paths = RunPaths(repo, run_id)
    if seq is None:
        request(paths, Request.SKIP)
    else:
        sessions = _only(seq, sessions)
        request_skip(paths, seq)
    say(f"run {run_id} skips {named(sessions)}: recorded as skipped, work rescued")


def _only(seq: int, sessions: Sequence[InFlight]) -> tuple[InFlight, ...]:
    chosen = tuple(session for session in sessions if session.seq == seq)
    if not chosen:
        raise CommandError(
            f"session {seq} is not in flight; in flight: {named(sessions)}",
            hint="`pitboss status` shows what runs now",
        )
    return chosen
