"""What state.json is: the exact bytes we write, those of the Rust program, and any bytes at all."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core import by_seq
from pitboss.core.budget import BudgetSnapshot, PromptSpend
from pitboss.core.run import Retry, RunState, WaitingTask
from pitboss.core.scheduler import SchedulerState
from pitboss.core.session import (
    Assignment,
    InFlight,
    Outcome,
    Progress,
    SessionStatus,
)
from pitboss.core.stops import RunStatus
from pitboss.store.codec import Malformed
from pitboss.store.state_codec import Seen, decode_state, encode_state
from tests.support.run_bytes import (
    anything,
    changed,
    counts,
    damage,
    json_values,
    moments,
    money,
    seqs,
    tokens,
    words,
)
from tests.support.values import STARTED, flying, run_state

SEED_STATE = """\
{
  "run_id": "rid",
  "branch": "pitboss/grind/rid",
  "plan_name": "default",
  "prompt_names": [
    "alpha",
    "bravo"
  ],
  "scheduler_state": {
    "rotation": 3,
    "runs_per_prompt": {
      "alpha": 2,
      "bravo": 1
    }
  },
  "budget_consumed": {
    "iterations": 3,
    "tokens_input": 1500,
    "tokens_output": 750,
    "cost_usd": 0.045,
    "consecutive_failures": 0
  },
  "last_session_seq": 3,
  "started_at": "2026-04-30T17:00:00Z",
  "last_updated_at": "2026-04-30T17:30:00Z",
  "status": "active"
}
"""

outcomes = st.builds(
    Outcome,
    status=st.sampled_from(SessionStatus),
    ended_at=moments,
    reason=st.none() | words,
    summary=st.none() | words,
    tokens=tokens,
    cost_usd=money,
    cost_known=st.booleans(),
    cache_read=counts,
    cache_write=counts,
    model=st.none() | words,
    agent=st.none() | words,
    verified=st.booleans(),
)
assignments = st.builds(
    Assignment,
    seq=seqs,
    prompt=words,
    rotation=counts,
    started_at=moments,
    base_commit=words,
    worktree=st.none() | words,
    branch=st.none() | words,
    agent=st.none() | words,
    model=st.none() | words,
    retry_of=st.none() | seqs,
    queued=st.none() | words,
    parallel_safe=st.booleans(),
    notes_size=st.none() | counts,
    host=st.none() | words,
)


@st.composite
def in_flight(draw: st.DrawFn) -> InFlight:
    """A session after any attempts: the first was made by the agent it was given, if it was given one."""
    session = InFlight.begin(draw(assignments))
    handed_on = draw(st.lists(words, max_size=2)) if session.progress.agent is not None else []
    agents = (*session.progress.agents, *handed_on)
    progress = Progress(
        pid=draw(st.none() | counts),
        pid_started=draw(st.none() | counts),
        attempt=draw(counts),
        agent=agents[-1] if agents else None,
        model=session.progress.model,
        outcome=draw(st.none() | outcomes),
        tried=agents[:-1],
    )
    return msgspec.structs.replace(session, progress=progress)


sessions = in_flight()
states = st.builds(
    RunState,
    run_id=words,
    branch=words,
    plan_name=words,
    prompt_names=st.lists(words, max_size=3).map(tuple),
    scheduler_state=st.builds(
        SchedulerState, rotation=counts, runs_per_prompt=st.dictionaries(words, counts, max_size=3)
    ),
    budget_consumed=st.builds(
        BudgetSnapshot,
        iterations=counts,
        tokens_input=counts,
        tokens_output=counts,
        cost_usd=money,
        consecutive_failures=counts,
    ),
    last_session_seq=counts,
    started_at=moments,
    last_updated_at=moments,
    status=st.sampled_from(RunStatus),
    stop_reason=st.none() | words,
    base_commit=st.none() | words,
    original_branch=st.none() | words,
    in_flight=st.lists(sessions, max_size=2).map(by_seq.in_order),
    unrescued=st.lists(sessions, max_size=1).map(tuple),
    conflicts=st.lists(st.builds(Retry, seq=seqs, prompt=words), max_size=2).map(tuple),
    spend_per_prompt=st.dictionaries(
        words, st.builds(PromptSpend, sessions=counts, cost_usd=money), max_size=3
    ),
    unknown=st.dictionaries(words.map("x-{}".format), json_values, max_size=3),
)


def test_a_state_is_written_as_the_seed_writes_it() -> None:
    assert encode_state(run_state()).decode() == SEED_STATE


def test_a_state_by_the_rust_program_is_read() -> None:
    assert decode_state(SEED_STATE.encode()) == run_state()


def test_times_are_read_up_to_nanoseconds() -> None:
    state = decode_state(changed(SEED_STATE, started_at="2026-04-30T17:00:00.123456789Z"))
    assert state.started_at == STARTED.replace(microsecond=123457)


def test_what_we_add_to_a_state_is_written_only_when_it_says_something() -> None:
    outcome = Outcome(status=SessionStatus.OK, ended_at=STARTED, summary="done")
    state = run_state(
        stop_reason="drained",
        base_commit="b" * 40,
        original_branch="main",
        in_flight=(flying(4, pid=7, pid_started=9), flying(5, outcome=outcome)),
        unrescued=(flying(3),),
        conflicts=(Retry(seq=2, prompt="bravo"),),
        spend_per_prompt={"bravo": PromptSpend(sessions=2, cost_usd=0.5)},
    )
    written = json.loads(encode_state(state))
    assert list(written)[10:] == [
        "stop_reason",
        "base_commit",
        "original_branch",
        "in_flight",
        "unrescued",
        "conflicts",
        "spend_per_prompt",
    ]
    assert written["conflicts"] == [{"seq": 2, "prompt": "bravo"}]
    assert written["spend_per_prompt"] == {"bravo": {"sessions": 2, "cost_usd": 0.5}}
    assert written["in_flight"][0] == {
        "seq": 4,
        "prompt": "alpha",
        "rotation": 4,
        "started_at": "2026-04-30T17:00:00Z",
        "base_commit": "b" * 40,
        "worktree": None,
        "branch": None,
        "pid": 7,
        "pid_started": 9,
        "attempt": 1,
        "agent": None,
        "model": None,
        "fixer": None,
        "fixer_model": None,
        "outcome": None,
    }
    assert written["unrescued"] == [
        written["in_flight"][0] | {"seq": 3, "rotation": 3, "pid": None, "pid_started": None}
    ]
    assert written["in_flight"][1]["outcome"]["summary"] == "done"
    assert decode_state(encode_state(state)) == state


def test_what_was_added_to_a_session_in_flight_is_written_only_when_it_says_something() -> None:
    state = run_state(in_flight=(flying(4), flying(5, retry_of=2, notes_size=0)))
    plain, retried = json.loads(encode_state(state))["in_flight"]
    assert list(retried) == [*plain, "retry_of", "notes_size"]
    assert (retried["retry_of"], retried["notes_size"]) == (2, 0)
    assert decode_state(encode_state(state)) == state


def test_a_queued_task_in_flight_is_named_and_those_that_wait_are_not_in_the_state() -> None:
    flight = (flying(4, queued="6fr1mzz", parallel_safe=True),)
    state = run_state(in_flight=flight, queue=(WaitingTask(id="7", prompt="door"),))
    [written] = json.loads(encode_state(state))["in_flight"]
    assert (written["queued"], written["parallel_safe"]) == ("6fr1mzz", True)
    assert decode_state(encode_state(state)) == msgspec.structs.replace(state, queue=())
    foreign = decode_state(changed(SEED_STATE, queue="whatever"))
    assert (foreign.queue, foreign.unknown) == ((), {"queue": "whatever"})
    assert b'"queue": "whatever"' in encode_state(foreign)


def test_unknown_fields_of_a_state_are_kept_and_written_back_after_ours() -> None:
    data = changed(SEED_STATE, unknown=[1], host={"name": "x", "big": 10**30})
    state = decode_state(data)
    assert state.unknown == {"unknown": [1], "host": {"name": "x", "big": 10**30}}
    assert json.loads(encode_state(state)) == json.loads(data)
    assert list(json.loads(encode_state(state)))[-2:] == ["unknown", "host"]


def test_prompts_are_written_in_order_of_name_as_the_seed_does() -> None:
    scheduler = SchedulerState(rotation=2, runs_per_prompt={"b": 1, "a": 1})
    written = json.loads(encode_state(run_state(scheduler_state=scheduler)))
    assert list(written["scheduler_state"]["runs_per_prompt"]) == ["a", "b"]


def test_sessions_in_flight_are_read_in_the_order_of_their_numbers() -> None:
    data = json.loads(encode_state(run_state(in_flight=tuple(map(flying, (3, 4, 5))))))
    data["in_flight"].reverse()
    assert [session.seq for session in decode_state(json.dumps(data).encode()).in_flight] == [3, 4, 5]


@given(states)
def test_every_state_survives_the_disk(state: RunState) -> None:
    data = encode_state(state)
    assert data == msgspec.json.format(data, indent=2) + b"\n"
    assert data.endswith(b"\n")
    assert decode_state(data) == state


def test_a_state_that_could_not_be_read_again_is_not_written() -> None:
    spent = BudgetSnapshot(cost_usd=math.nan)
    with pytest.raises(Malformed) as failure:
        encode_state(run_state(budget_consumed=spent))
    assert failure.value.field == "$.budget_consumed.cost_usd"


@given(st.lists(st.lists(sessions, max_size=4).map(tuple), max_size=4), st.booleans())
def test_what_was_encoded_before_is_written_the_same_again(
    changes: list[tuple[InFlight, ...]], twice: bool
) -> None:
    seen: Seen = {}
    for in_flight in (each for each in changes for _ in range(1 + twice)):
        state = run_state(in_flight=in_flight, unrescued=in_flight[:1])
        assert encode_state(state, seen) == encode_state(state)
        assert len(seen) == len(in_flight)


def test_an_unreadable_session_is_refused_beside_one_that_was_encoded_before() -> None:
    good, seen = flying(1), dict[int, Any]()
    encode_state(run_state(in_flight=(good,)), seen)
    bad = flying(2, waited_s=-1.0)
    for _ in range(2):
        with pytest.raises(Malformed, match=r"Expected `float` >= 0.0"):
            encode_state(run_state(in_flight=(good, bad)), seen)
        assert [session for session, _ in seen.values()] == [good]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"last_session_seq": -1}, "$.last_session_seq"),
        ({"status": "paused"}, "$.status"),
        ({"prompt_names": ["a", 1]}, "$.prompt_names[1]"),
        ({"budget_consumed__cost_usd": -0.5}, "$.budget_consumed.cost_usd"),
        ({"budget_consumed__iterations": 2**64}, "$.budget_consumed.iterations"),
        ({"scheduler_state__runs_per_prompt": {"a": -1}}, "$.scheduler_state.runs_per_prompt[...]"),
        ({"started_at": "2026-04-30T17:00:00"}, "$.started_at"),
        ({"started_at": "yesterday"}, "$.started_at"),
        ({"in_flight": [{"seq": 0}]}, "$.in_flight[0].seq"),
        ({"conflicts": [{"seq": 0, "prompt": "a"}]}, "$.conflicts[0].seq"),
        ({"spend_per_prompt": {"a": {"sessions": 1, "cost_usd": -1}}}, "$.spend_per_prompt[...].cost_usd"),
    ],
)
def test_a_malformed_state_names_the_field(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Malformed) as failure:
        decode_state(changed(SEED_STATE, **fields))
    assert failure.value.field == field
    assert str(failure.value) == f"{failure.value.reason} (at {field})"


def test_a_session_in_flight_is_one_flat_object_whose_agent_is_the_one_that_works_now() -> None:
    session = flying(4, agent="claude-code", model="opus", tried=("claude-code", "codex"), attempt=3)
    given, now = session.assignment, msgspec.structs.replace(session.progress, agent="gemini")
    data = encode_state(run_state(in_flight=(InFlight(assignment=given, progress=now),)))
    (flat,) = json.loads(data)["in_flight"]
    assert " ".join(flat) == (
        "seq prompt rotation started_at base_commit worktree branch pid pid_started attempt agent model"
        " fixer fixer_model outcome tried"
    )
    assert (flat["agent"], flat["model"], flat["tried"]) == ("gemini", "opus", ["claude-code", "codex"])
    (back,) = decode_state(data).in_flight
    assert (back.assignment, back.progress) == (given, now)


def test_a_state_off_the_calendar_is_malformed() -> None:
    early = b'"started_at": "0001-01-01T00:00:00+02:00"'
    data = re.sub(rb'"started_at": "[^"]*"', early, encode_state(run_state()))
    with pytest.raises(Malformed):
        decode_state(data)


@given(anything | damage(SEED_STATE))
def test_whatever_the_bytes_a_state_is_read_or_malformed(data: bytes) -> None:
    try:
        state = decode_state(data)
    except Malformed:
        return
    assert decode_state(encode_state(state)) == state


def test_times_with_another_offset_are_read_as_utc() -> None:
    state = run_state(in_flight=(flying(4, started_at=STARTED.astimezone(timezone(timedelta(hours=1)))),))
    assert decode_state(encode_state(state)).in_flight[0].assignment.started_at.tzinfo is UTC
