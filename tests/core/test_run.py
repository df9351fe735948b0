"""`fold` advances a run, live or replayed, to the same state; stops have their codes (SPEC 4, 5)."""

from __future__ import annotations

import sys
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.budget import BudgetSnapshot
from pitboss.core.resume import reconstruct_state_from_log
from pitboss.core.run import RunState, RunStatus, StopReason, fold
from pitboss.core.scheduler import Contender, Pick, SchedulerState, next_pick, record_run
from pitboss.core.session import SessionRecord, SessionStatus
from pitboss.core.usage import MOST_TOKENS
from tests.support.values import STARTED, flying, fresh_run, record, run_state, usd

OK, ERROR, TIMEOUT = SessionStatus.OK, SessionStatus.ERROR, SessionStatus.TIMEOUT
ROTATION = [
    Contender(name="alpha", weight=2),
    Contender(name="bravo", max_runs=4),
    Contender(name="weekly", every=3),
]

happenings = st.lists(
    st.tuples(
        st.sampled_from(SessionStatus),
        st.integers(0, 10**6),
        st.integers(0, 10**6),
        usd,
        st.integers(-60, 600),
    ),
    max_size=30,
)


def live(happened: list[tuple[SessionStatus, int, int, float, int]]) -> list[SessionRecord]:
    """The records of a live run in which the sessions went as told."""
    state, records = SchedulerState(), []
    for seq, (status, tokens_in, tokens_out, cost_usd, seconds) in enumerate(happened, start=1):
        picked = next_pick(ROTATION, state)
        assert isinstance(picked, Pick)
        state = record_run(picked.state, picked.name)
        line = record(seq, picked.name, status, tokens=(tokens_in, tokens_out), cost_usd=cost_usd)
        ended_at = STARTED + timedelta(seconds=seconds)
        records.append(msgspec.structs.replace(line, rotation=state.rotation, ended_at=ended_at))
    return records


def folded(records: list[SessionRecord], run: RunState | None = None) -> RunState:
    run = run or fresh_run()
    for line in records:
        run = fold(run, line)
    return run


def test_a_record_advances_everything_that_describes_the_run() -> None:
    run = run_state(in_flight=(flying(4), flying(5)), unknown={"future": 1}, base_commit="b")
    line = record(4, "bravo", ERROR, tokens=(100, 10), cost_usd=0.5, rotation=8)
    assert fold(run, line) == msgspec.structs.replace(
        run,
        scheduler_state=SchedulerState(rotation=8, runs_per_prompt={"alpha": 2, "bravo": 2}),
        budget_consumed=BudgetSnapshot(
            iterations=4, tokens_input=1600, tokens_output=760, cost_usd=0.545, consecutive_failures=1
        ),
        last_session_seq=4,
        last_updated_at=line.ended_at,
        in_flight=(flying(5),),
    )


@pytest.mark.parametrize("seq", [0, 3, 5])
def test_only_the_next_record_can_be_folded(seq: int) -> None:
    with pytest.raises(ValueError, match=f"record {seq} cannot follow record 3"):
        fold(run_state(), record(seq))


def test_counters_stop_at_what_every_reader_can_hold() -> None:
    most = record(4, tokens=(MOST_TOKENS, MOST_TOKENS), cost_usd=sys.float_info.max)
    used = fold(fold(run_state(), most), msgspec.structs.replace(most, seq=5)).budget_consumed
    assert (used.tokens_input, used.tokens_output) == (MOST_TOKENS, MOST_TOKENS)
    assert used.cost_usd == sys.float_info.max


def test_a_record_without_rotation_counts_as_the_next_rotation_unless_the_scheduler_was_asked() -> None:
    assert fold(run_state(), record(4)).scheduler_state.rotation == 4
    asked = SchedulerState(rotation=9, runs_per_prompt={"alpha": 3, "bravo": 1})
    assert fold(run_state(), record(4), asked).scheduler_state == asked


def test_a_clock_that_was_set_back_does_not_set_the_run_back() -> None:
    run = run_state()
    early = record(4, ended_at=STARTED - timedelta(days=1))
    assert fold(run, early).last_updated_at == run.last_updated_at


@pytest.mark.parametrize(
    ("statuses", "streak"),
    [
        ([ERROR], 1),
        ([ERROR, TIMEOUT, ERROR], 3),
        ([ERROR, OK], 0),
        ([ERROR, SessionStatus.DIRTY], 0),
        ([ERROR, SessionStatus.ABORTED], 1),
        ([ERROR, SessionStatus.SKIPPED, TIMEOUT], 2),
        ([SessionStatus.ABORTED, SessionStatus.SKIPPED], 0),
        ([ERROR, OK, TIMEOUT], 1),
    ],
)
def test_consecutive_failures(statuses: list[SessionStatus], streak: int) -> None:
    run = folded([record(seq, status=status) for seq, status in enumerate(statuses, start=1)])
    assert run.budget_consumed.consecutive_failures == streak


@given(happenings, st.data())
def test_live_equals_replayed_from_any_checkpoint(
    happened: list[tuple[SessionStatus, int, int, float, int]], data: st.DataObject
) -> None:
    records = live(happened)
    cut = data.draw(st.integers(0, len(records)))
    checkpoint = folded(records[:cut])
    replayed = reconstruct_state_from_log(checkpoint, records, ROTATION, log_seq=len(records))
    assert replayed.run == folded(records) == folded(records[cut:], checkpoint)
    assert replayed.records_replayed == len(records) - cut


@given(happenings)
def test_a_log_without_rotations_replays_to_the_same_state(
    happened: list[tuple[SessionStatus, int, int, float, int]],
) -> None:
    records = live(happened)
    bare = [msgspec.structs.replace(r, rotation=None) for r in records]
    replayed = reconstruct_state_from_log(fresh_run(), bare, ROTATION, log_seq=len(bare))
    assert replayed.run == folded(records)


@given(happenings)
def test_counters_are_the_sums_of_the_records(
    happened: list[tuple[SessionStatus, int, int, float, int]],
) -> None:
    records = live(happened)
    run = folded(records)
    used = run.budget_consumed
    assert used.iterations == run.last_session_seq == len(records)
    assert used.tokens_input == sum(r.tokens.input for r in records)
    assert used.tokens_output == sum(r.tokens.output for r in records)
    assert used.tokens == used.tokens_input + used.tokens_output
    assert used.cost_usd == pytest.approx(sum(r.cost_usd for r in records))
    assert run.scheduler_state.runs_per_prompt == {
        name: [r.prompt for r in records].count(name) for name in {r.prompt for r in records}
    }


@given(happenings)
def test_the_streak_is_the_failures_since_the_last_success(
    happened: list[tuple[SessionStatus, int, int, float, int]],
) -> None:
    verdicts = [
        status for status, *_ in happened if status not in (SessionStatus.ABORTED, SessionStatus.SKIPPED)
    ]
    since = next((n for n, status in enumerate(reversed(verdicts)) if not status.failed), len(verdicts))
    assert folded(live(happened)).budget_consumed.consecutive_failures == since


@pytest.mark.parametrize(
    ("why", "code", "code_after_failures", "status"),
    [
        (StopReason.EXHAUSTED, 0, 1, RunStatus.COMPLETED),
        (StopReason.DRAINED, 0, 1, RunStatus.ABORTED),
        (StopReason.ABORTED, 2, 2, RunStatus.ABORTED),
        (StopReason.BUDGET, 3, 3, RunStatus.ABORTED),
        (StopReason.FAILURES, 5, 5, RunStatus.ABORTED),
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
    assert len(StopReason) == 6
