"""What runner and worker decide about an attempt, case by case (SPEC 14); `test_leases_model` tries all orders."""

from __future__ import annotations

import pytest

from pitboss.core.leases import Answer, Closing, Lease, Stage, answer, closing, is_lost

OURS, ANOTHER = Lease(1, "anna"), Lease(1, "bert")


@pytest.mark.parametrize(
    ("stage", "expected"),
    [
        (None, Answer.BEGIN),
        (Stage.BEGUN, Answer.LOST),
        (Stage.RESULT, Answer.RETURN),
        (Stage.PARTIAL, Answer.LOST),
        (Stage.OVER, Answer.LOST),
    ],
)
def test_an_attempt_is_begun_only_by_a_worker_that_has_never_noted_it(
    stage: Stage | None, expected: Answer
) -> None:
    assert answer(stage) is expected


@pytest.mark.parametrize(
    ("held", "results", "expected"),
    [
        (OURS, [OURS], Closing.LAND),
        (OURS, [ANOTHER, OURS], Closing.LAND),
        (OURS, [ANOTHER], Closing.ABORT),
        (OURS, [], Closing.ABORT),
        (None, [OURS], Closing.ABORT),
    ],
)
def test_a_session_whose_worker_is_gone_lands_only_if_its_result_was_pushed(
    held: Lease | None, results: list[Lease], expected: Closing
) -> None:
    assert closing(held, results) is expected


def test_the_other_side_is_lost_after_a_silence_of_that_length() -> None:
    assert not is_lost(59.9, 60.0)
    assert is_lost(60.0, 60.0)
