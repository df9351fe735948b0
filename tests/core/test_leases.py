"""What runner and worker decide about an attempt, case by case (SPEC 14); `test_leases_model` tries all orders."""

from __future__ import annotations

import pytest

from pitboss.core.leases import (
    Answer,
    Closing,
    Destination,
    Lease,
    Stage,
    answer,
    closing,
    destination,
    for_retry,
    is_lost,
    next_stage,
)

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
    ("stage", "committed", "expected"),
    [
        (Stage.BEGUN, True, Stage.RESULT),
        (Stage.BEGUN, False, Stage.PARTIAL),
        (Stage.RESULT, False, Stage.RESULT),
        (Stage.PARTIAL, True, Stage.PARTIAL),
        (Stage.OVER, False, Stage.OVER),
    ],
)
def test_an_attempt_whose_agents_are_gone_ended_well_only_if_it_had_been_committed(
    stage: Stage, committed: bool, expected: Stage
) -> None:
    assert next_stage(stage, committed=committed) is expected


@pytest.mark.parametrize("held", [OURS, ANOTHER, Lease(2, "anna"), None])
@pytest.mark.parametrize("partial", [False, True])
@pytest.mark.parametrize("recorded", [False, True])
def test_only_the_whole_result_of_the_leased_attempt_lands_and_only_before_its_record(
    held: Lease | None, partial: bool, recorded: bool
) -> None:
    lands = held == OURS and not partial and not recorded
    assert destination(OURS, held, partial=partial, recorded=recorded) is (
        Destination.LAND if lands else Destination.RESCUE
    )


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


def test_a_lost_session_is_retried_on_another_worker_if_there_is_one() -> None:
    assert for_retry(["anna", "bert", "carl"], "bert") == ("anna", "carl")
    assert for_retry(["bert"], "bert") == ("bert",)
    assert for_retry([], "bert") == ()
