"""`fold` advances a run, live or replayed, to the same state; stops have their codes (SPEC 4, 5)."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any, NamedTuple

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.budget import BudgetSnapshot, PromptSpend
from pitboss.core.choosers.rotation import RotationChooser
from pitboss.core.recovery.replay import replay_records
from pitboss.core.run import (
    Retry,
    RunState,
    counted,
    fold,
    spend,
    unfolded,
)
from pitboss.core.scheduler import Contender, Pick, SchedulerState, next_pick, record_run
from pitboss.core.session import SessionRecord, SessionStatus, TokenUsage
from pitboss.core.usage import MOST_TOKENS
from tests.support.values import STARTED, flying, fresh_run, record, run_state, usd

OK, ERROR, TIMEOUT = SessionStatus.OK, SessionStatus.ERROR, SessionStatus.TIMEOUT
ROTATION = [
    Contender(name="alpha", weight=2),
    Contender(name="bravo", max_runs=4),
    Contender(name="weekly", every=3),
]


class Happening(NamedTuple):
    """How one session went."""

    status: SessionStatus
    tokens: tuple[int, int]
    cost_usd: float
    cost_known: bool
    seconds: int
    conflict: bool


happenings = st.lists(
    st.builds(
        Happening,
        status=st.sampled_from(SessionStatus),
        tokens=st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)),
        cost_usd=usd,
        cost_known=st.booleans(),
        seconds=st.integers(-60, 600),
        conflict=st.booleans(),
    ),
    max_size=30,
)


def live(happened: list[Happening]) -> list[SessionRecord]:
    """The records of a live run in which the sessions went as told; each conflict is retried next."""
    state, records, conflicts = SchedulerState(), [], list[SessionRecord]()
    for seq, told in enumerate(happened, start=1):
        conflict = conflicts.pop(0) if conflicts else None
        if conflict:
            prompt = conflict.prompt
        else:
            picked = next_pick(ROTATION, state)
            assert isinstance(picked, Pick)
            prompt, state = picked.name, record_run(picked.state, picked.name)
        line = record(
            seq,
            prompt,
            told.status,
            tokens=told.tokens,
            cost_usd=told.cost_usd,
            cost_known=told.cost_known,
            rotation=state.rotation,
            ended_at=STARTED + timedelta(seconds=told.seconds),
            retry_of=conflict.seq if conflict else None,
        )
        if told.conflict and told.status is ERROR and conflict is None:
            line = msgspec.structs.replace(line, reason="conflict: with a.py", retry=True)
            conflicts.append(line)
        records.append(line)
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
        spend_per_prompt={"bravo": PromptSpend(sessions=1, cost_usd=0.5)},
    )


CONFLICT = record(4, "bravo", ERROR, reason="conflict: with a.py", retry=True, rotation=4)


def test_a_conflict_waits_for_its_retry_which_leaves_the_scheduler_as_it_is() -> None:
    conflicted = fold(run_state(), CONFLICT)
    assert conflicted.conflicts == (Retry(seq=4, prompt="bravo"),)
    other = fold(conflicted, record(5, rotation=5))
    assert other.conflicts == conflicted.conflicts
    retried = fold(other, record(6, "bravo", ERROR, reason="conflict: with a.py", rotation=5, retry_of=4))
    assert retried.conflicts == ()
    assert retried.scheduler_state == other.scheduler_state
    assert retried.budget_consumed.iterations == 6


def test_a_conflict_that_an_agent_left_in_the_checkout_is_not_retried() -> None:
    assert fold(run_state(), record(4, status=ERROR, reason="conflict: unmerged a.txt")).conflicts == ()


def test_a_session_of_unknown_cost_says_nothing_about_what_its_prompt_costs() -> None:
    run = run_state(spend_per_prompt={"alpha": PromptSpend(sessions=2, cost_usd=0.5)})
    line = record(4, cost_usd=9.0, cost_known=False)
    assert fold(run, line).spend_per_prompt == run.spend_per_prompt


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
def test_live_equals_replayed_from_any_checkpoint(happened: list[Happening], data: st.DataObject) -> None:
    records = live(happened)
    cut = data.draw(st.integers(0, len(records)))
    checkpoint = folded(records[:cut])
    replayed = replay_records(checkpoint, records, RotationChooser(ROTATION), log_seq=len(records))
    assert replayed == folded(records) == folded(records[cut:], checkpoint)


@given(happenings)
def test_a_log_without_rotations_replays_to_the_same_state(
    happened: list[Happening],
) -> None:
    records = live(happened)
    bare = [msgspec.structs.replace(r, rotation=None) for r in records]
    replayed = replay_records(fresh_run(), bare, RotationChooser(ROTATION), log_seq=len(bare))
    assert replayed == folded(records)


@given(happenings)
def test_counters_are_the_sums_of_the_records(
    happened: list[Happening],
) -> None:
    records = live(happened)
    run = folded(records)
    used = run.budget_consumed
    assert used.iterations == run.last_session_seq == len(records)
    assert used.tokens_input == sum(r.tokens.input for r in records)
    assert used.tokens_output == sum(r.tokens.output for r in records)
    assert used.tokens == used.tokens_input + used.tokens_output
    assert used.cost_usd == pytest.approx(sum(r.cost_usd for r in records))
    picked = [r.prompt for r in records if r.retry_of is None]
    assert run.scheduler_state.runs_per_prompt == {name: picked.count(name) for name in set(picked)}


@given(happenings)
def test_what_a_prompt_cost_is_the_sum_of_its_sessions_whose_cost_is_known(
    happened: list[Happening],
) -> None:
    records = live(happened)
    known = [r for r in records if r.cost_known]
    spent = folded(records).spend_per_prompt
    assert set(spent) == {r.prompt for r in records}
    for name, own in spent.items():
        costs = [r.cost_usd for r in known if r.prompt == name]
        assert own.sessions == len(costs)
        assert own.cost_usd == pytest.approx(sum(costs))
    assert folded(records).cost_known is (len(known) == len(records))


@given(happenings)
def test_the_conflicts_are_the_records_that_await_a_retry_and_had_none(happened: list[Happening]) -> None:
    records = live(happened)
    retried = {r.retry_of for r in records}
    waiting = [Retry(seq=r.seq, prompt=r.prompt) for r in records if r.retry and r.seq not in retried]
    assert list(folded(records).conflicts) == waiting


@given(happenings)
def test_what_is_used_up_is_the_same_as_spending_record_by_record(happened: list[Happening]) -> None:
    records = live(happened)
    used = BudgetSnapshot()
    for line in records:
        used = spend(used, line)
    assert used == folded(records).budget_consumed


def test_a_run_unfolded_keeps_what_no_record_changes() -> None:
    run = run_state(
        in_flight=(flying(4),),
        unknown={"future": 1},
        conflicts=(Retry(seq=4, prompt="bravo"),),
        unknown_costs=2,
    )
    assert unfolded(run) == fresh_run(in_flight=(flying(4),), unknown={"future": 1})


@given(happenings)
def test_unfolding_takes_back_every_fold(happened: list[Happening]) -> None:
    run = folded(live(happened))
    assert unfolded(run) == fresh_run(last_updated_at=run.last_updated_at)


@given(happenings)
def test_the_streak_is_the_failures_since_the_last_success(
    happened: list[Happening],
) -> None:
    verdicts = [
        told.status for told in happened if told.status not in (SessionStatus.ABORTED, SessionStatus.SKIPPED)
    ]
    since = next((n for n, status in enumerate(reversed(verdicts)) if not status.failed), len(verdicts))
    assert folded(live(happened)).budget_consumed.consecutive_failures == since


AWAY = record(
    4, status=SessionStatus.ERROR, commit=None, reason="overloaded: connection refused", waited_s=9.0
)


@pytest.mark.parametrize(
    ("changes", "failures"),
    [
        ({}, 0),
        ({"waited_s": 0.0}, 1),
        ({"reason": "exit_code: 1"}, 1),
        ({"status": SessionStatus.TIMEOUT}, 1),
        ({"tokens": TokenUsage(input=1)}, 1),
        ({"tokens": TokenUsage(output=1)}, 1),
        ({"cost_usd": 0.1}, 1),
        ({"commit": "a" * 40}, 1),
    ],
)
def test_a_service_that_stayed_away_before_anything_was_used_is_no_failure_in_a_row(
    changes: dict[str, Any], failures: int
) -> None:
    ended = msgspec.structs.replace(AWAY, **changes)
    assert fold(run_state(), ended).budget_consumed.consecutive_failures == failures
    assert ended.is_outage == (failures == 0)


@pytest.mark.parametrize(
    ("changes", "known"),
    [
        ({"unknown_costs": 0, "budget_consumed": BudgetSnapshot(iterations=3, tokens_input=9)}, True),
        ({"unknown_costs": 1}, False),
        ({}, True),
        ({"budget_consumed": BudgetSnapshot(iterations=3)}, True),
        ({"budget_consumed": BudgetSnapshot(iterations=3, tokens_output=9)}, False),
        ({"spend_per_prompt": {"alpha": PromptSpend(sessions=3)}}, True),
        ({"spend_per_prompt": {"alpha": PromptSpend(sessions=2)}}, False),
    ],
)
def test_whether_the_cost_of_a_run_is_known(changes: dict[str, Any], known: bool) -> None:
    assert run_state(**changes).cost_known is known


def test_what_nobody_counted_is_counted_from_the_log() -> None:
    past = [record(1, cost_usd=0.5), record(2, "bravo", cost_known=False), record(3), record(4, cost_usd=9.0)]
    run = counted(run_state(), past)
    assert run.unknown_costs == 1
    assert run.spend_per_prompt == {
        "alpha": PromptSpend(sessions=2, cost_usd=0.5),
        "bravo": PromptSpend(),
    }
    assert counted(run, []) is run
    assert fold(run, record(4, cost_known=False)).unknown_costs == 2
    assert fold(run_state(), record(4, cost_known=False)).unknown_costs is None


def test_what_is_counted_already_is_not_counted_again() -> None:
    run = counted(
        run_state(barren_per_prompt={"alpha": 1}),
        [record(1, cost_usd=0.5, commit=None), record(2, commit=None)],
    )
    assert run.spend_per_prompt == {"alpha": PromptSpend(sessions=2, cost_usd=0.5)}
    assert run.barren_per_prompt == {"alpha": 1}


def test_the_latest_session_may_be_in_flight_or_have_its_record() -> None:
    assert fresh_run().latest_seq == 0
    assert run_state(last_session_seq=7).latest_seq == 7
    assert run_state(last_session_seq=7, in_flight=(flying(8), flying(9))).latest_seq == 9
