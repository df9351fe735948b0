"""Replays the log: the state of a run from its checkpoint and its records (SPEC 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.recovery.refusals import StateOutOfSync

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.core.chooser import Chooser
    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord


def replay_records(
    run: RunState, records: Iterable[SessionRecord], chooser: Chooser, *, log_seq: int
) -> RunState:
    """Fold the records past the checkpoint into `run` (SPEC 7).

    `records` may be any part of the log that includes them; `log_seq` is the highest seq of the whole
    log. Raises StateOutOfSync when the checkpoint claims more than the log holds, when a record is
    missing in between, or when one is not what `chooser` would have started.
    """
    if log_seq < run.last_session_seq:
        raise StateOutOfSync(run.run_id, run.last_session_seq, log_seq)
    missing = sorted((r for r in records if r.seq > run.last_session_seq), key=lambda r: r.seq)
    now = run
    for record in missing:
        try:
            now = chooser.advance(now, record)
        except ValueError:
            raise StateOutOfSync(run.run_id, run.last_session_seq, log_seq) from None
    return now
