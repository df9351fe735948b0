"""A dead run: whether it is at rest, and from which commit on the branch has to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.core.recovery.facts import DeadRun, LogScan
from tests.support.values import BRANCH, RUN_ID, flying, run_state

if TYPE_CHECKING:
    from pitboss.core.run import RunState

BASE, LATER, LATEST = "a" * 40, "b" * 40, "c" * 40
IN_FLIGHT = (flying(5, base_commit=LATEST), flying(4, base_commit=LATER))
AT_REST = run_state(base_commit=BASE)


@pytest.mark.parametrize(
    ("state", "last_seq", "is_settled", "settled_commit"),
    [
        (None, 3, False, None),
        (AT_REST, 3, True, BASE),
        (AT_REST, 4, True, BASE),
        (AT_REST, 2, False, BASE),
        (run_state(base_commit=BASE, in_flight=IN_FLIGHT), 3, False, LATER),
        (run_state(base_commit=BASE, in_flight=IN_FLIGHT), 2, False, BASE),
    ],
    ids=["no-state", "at-rest", "log-ahead", "record-lost", "in-flight", "in-flight-and-record-lost"],
)
def test_a_run_is_settled_when_every_session_has_its_record(
    state: RunState | None, last_seq: int, is_settled: bool, settled_commit: str | None
) -> None:
    dead = DeadRun(run_id=RUN_ID, branch=BRANCH, state=state, scan=LogScan(last_seq=last_seq), after_seq=0)
    assert (dead.is_settled, dead.settled_commit) == (is_settled, settled_commit)
