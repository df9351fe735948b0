"""How a run can stop, and what comes of it."""

from __future__ import annotations

import pytest

from pitboss.core.stops import RunStatus, StopReason


@pytest.mark.parametrize(
    ("why", "code", "code_after_failures", "status"),
    [
        (StopReason.EXHAUSTED, 0, 1, RunStatus.COMPLETED),
        (StopReason.DRAINED, 0, 1, RunStatus.ABORTED),
        (StopReason.ABORTED, 2, 2, RunStatus.ABORTED),
        (StopReason.BUDGET, 3, 3, RunStatus.ABORTED),
        (StopReason.FAILURES, 5, 5, RunStatus.ABORTED),
        (StopReason.DEAD_END, 5, 5, RunStatus.ABORTED),
        (StopReason.INTERNAL, 70, 70, RunStatus.FAILED),
    ],
)
def test_each_stop_has_its_exit_code_and_final_status(
    why: StopReason, code: int, code_after_failures: int, status: RunStatus
) -> None:
    assert why.exit_code(any_failed=False) == code
    assert why.exit_code(any_failed=True) == code_after_failures
    assert why.final_status is status


def test_no_stop_is_left_out_of_the_table_above() -> None:
    assert len(StopReason) == 7
