"""What every viewer shows: events where there are any, corrected by what is on record."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.budget import BudgetSnapshot, Caps
from pitboss.core.diff_stat import DiffStat
from pitboss.core.events import (
    Aborting,
    CapsChanged,
    Draining,
    Paused,
    Phase,
    PhaseChanged,
    QuotaSeen,
    RunEnded,
    RunEvent,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Step,
    StepKind,
    Unpaused,
    Warned,
    WorkersAwaited,
)
from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.run import spend
from pitboss.core.sighting import OnRecord, first_missing, sighted
from pitboss.core.stops import RunStatus, StopReason
from pitboss.core.usage import RoleTokens
from pitboss.core.view import Activity, Flight, View, fold
from tests.support.values import BRANCH, RUN_ID, STARTED, flying, fresh_run, record

if TYPE_CHECKING:
    from pitboss.core.run import RunState
    from pitboss.core.session import InFlight, SessionRecord

NOW = datetime(2026, 5, 1, 23, 0, tzinfo=UTC)
BEGAN = RunStarted(
    t=STARTED, run_id=RUN_ID, branch=BRANCH, rotation="default", next_pick="alpha", started_at=STARTED
)
STEP = Step(t=NOW, seq=2, what=StepKind.TOOL, text="make", tokens=RoleTokens(input=9), cost_usd=0.5)


def test_a_log_that_has_lost_records_is_damaged() -> None:
    assert first_missing(2, {1, 2, 3}) is None
    assert first_missing(0, {}) is None
    assert first_missing(3, {1, 3}) == 2
    assert first_missing(2, {}) == 1
    found = on_record(fresh_run(last_session_seq=2), record(1), live=False)
    assert found.lost is None
    found = msgspec.structs.replace(found, missing=2)
    assert found.lost == "sessions.jsonl is damaged: it has no record of session 2"


def folded(*events: RunEvent) -> View:
    return reduce(fold, events, View())


def on_record(state: RunState | None, *records: SessionRecord, live: bool = True, **changes: Any) -> OnRecord:
    found = OnRecord(
        run_id=RUN_ID,
        state=state,
        live=live,
        used=reduce(spend, records, BudgetSnapshot()),
        cost_known=all(each.cost_known for each in records),
        recent=records[::-1],
        recorded=frozenset(each.seq for each in records),
    )
    return msgspec.structs.replace(found, **changes)


# --- with all of the events ------------------------------------------------------------------------------------


@st.composite
def nights(draw: st.DrawFn) -> tuple[list[RunEvent], list[SessionRecord], list[InFlight]]:
    """What happened in a live run of two slots: its events, its records, and who is in flight."""
    events: list[RunEvent] = [BEGAN]
    records: list[SessionRecord] = []
    flights: list[int] = []
    seq = 0
    for act in draw(
        st.lists(st.sampled_from(["start", "phase", "step", "end", "quota", "warn"]), max_size=30)
    ):
        if act == "start" and len(flights) < 2:
            seq += 1
            flights.append(seq)
            events.append(SessionStarted(t=NOW, seq=seq, prompt="alpha", next_pick="alpha"))
        elif act == "quota":
            events.append(QuotaSeen(agent="codex", five_hour=QuotaWindow(used=0.5)))
        elif act == "warn":
            events.append(Warned(text="look"))
        elif flights:
            who = draw(st.sampled_from(flights))
            if act == "phase":
                events.append(PhaseChanged(t=NOW, seq=who, phase=draw(st.sampled_from(Phase))))
            elif act == "step":
                events.append(msgspec.structs.replace(STEP, seq=who))
            elif act == "end":
                flights.remove(who)
                records.append(record(who, tokens=(10, 1), cost_usd=0.25, cost_known=who != 3))
                diff = DiffStat(files=1) if who % 2 else None
                events.append(SessionEnded(t=NOW, record=records[-1], next_pick="alpha", diff=diff))
    return events, records, [flying(each) for each in flights]


@given(nights())
def test_with_all_events_a_viewer_shows_their_fold(
    night: tuple[list[RunEvent], list[SessionRecord], list[InFlight]],
) -> None:
    events, records, flights = night
    view = folded(*events)
    state = fresh_run(in_flight=tuple(flights), quota=view.quota)
    assert sighted(view, on_record(state, *records)) == view


def test_a_run_that_ended_shows_how() -> None:
    ended = RunEnded(
        run_id=RUN_ID,
        branch=BRANCH,
        status=RunStatus.ABORTED,
        stop_reason=StopReason.DRAINED,
        message="drained on request",
        exit_code=0,
        used=BudgetSnapshot(iterations=1),
    )
    one = record(1)
    view = folded(BEGAN, SessionStarted(seq=1, prompt="alpha"), SessionEnded(record=one), ended)
    over = fresh_run(status=RunStatus.ABORTED)
    assert sighted(view, on_record(over, one, live=False)) == view
    again = sighted(view, on_record(fresh_run(), one))
    assert (again.activity, again.ended) == (Activity.RUNNING, None), "resumed, and no event tells of it yet"
    crashed = sighted(view, on_record(fresh_run(), one, live=False))
    assert (crashed.activity, crashed.ended) == (Activity.OVER, None)


def test_what_a_dead_run_had_in_flight_is_at_work_no_more() -> None:
    began, state = folded(BEGAN, SessionStarted(seq=1, prompt="alpha")), fresh_run(in_flight=(flying(1),))
    assert [flight.cut_short for flight in sighted(began, on_record(state)).in_flight] == [False]
    assert [flight.cut_short for flight in sighted(began, on_record(state, live=False)).in_flight] == [True]


# --- with some of them, or none ----------------------------------------------------------------------------------


def test_without_events_the_state_and_the_records_say_what_they_can() -> None:
    waiting = flying(3, waits_until=NOW)
    caps = Caps(max_iterations=7)
    state = fresh_run(in_flight=(flying(1), flying(2), waiting), caps=caps, quota={"codex": Quota()})
    view = sighted(View(), on_record(state, record(1)))
    assert (view.run_id, view.branch, view.caps, view.started_at) == (RUN_ID, BRANCH, caps, STARTED)
    assert [(flight.seq, flight.phase) for flight in view.in_flight] == [(2, None), (3, Phase.WAIT)]
    assert (view.used.iterations, view.last_seq, view.recent) == (1, 3, (record(1),))
    assert (view.activity, view.quota, view.next_pick) == (Activity.RUNNING, {"codex": Quota()}, None)


def test_events_from_the_middle_on_add_what_only_they_tell() -> None:
    old = SessionEnded(record=record(1), next_pick="bravo")
    late = folded(Draining(), old, STEP, Step(seq=9), PhaseChanged(seq=3, phase=Phase.LAND, until=NOW))
    view = sighted(late, on_record(fresh_run(in_flight=(flying(2), flying(3))), record(1)))
    assert [(flight.seq, flight.prompt, flight.step) for flight in view.in_flight] == [
        (2, "alpha", "make"),
        (3, "alpha", ""),
    ]
    assert (view.flight(2) or Flight(seq=0)).started_at == STARTED
    assert (view.flight(3) or Flight(seq=0)).phase is Phase.LAND
    assert (view.activity, view.used.iterations) == (Activity.DRAINING, 1)


@pytest.mark.parametrize(
    ("event", "following"), [(SessionEnded(record=record(1), next_pick="delta"), "delta"), (Aborting(), None)]
)
def test_what_comes_next_is_what_the_last_event_said(event: RunEvent, following: str | None) -> None:
    assert sighted(folded(BEGAN, event), on_record(fresh_run(), record(1))).next_pick == following


@pytest.mark.parametrize("events", [(), (BEGAN,), (BEGAN, Paused()), (BEGAN, Paused(), Unpaused())])
def test_whether_it_is_paused_and_its_caps_are_what_the_state_says(events: tuple[RunEvent, ...]) -> None:
    caps = Caps(max_iterations=7)
    state = fresh_run(paused=True, caps=caps)
    view = sighted(folded(*events, CapsChanged(caps=Caps())), on_record(state))
    assert (view.paused, view.caps) == (True, caps)
    assert not sighted(folded(*events), on_record(fresh_run(caps=caps))).paused
    assert not sighted(folded(*events), on_record(state, live=False)).paused


def test_a_record_that_no_event_told_of_counts() -> None:
    view = folded(BEGAN, SessionStarted(t=NOW, seq=1, prompt="alpha"))
    seen = sighted(view, on_record(fresh_run(in_flight=(flying(1),)), record(1, cost_usd=0.5)))
    assert (seen.in_flight, seen.used.cost_usd, seen.recent) == ((), 0.5, (record(1, cost_usd=0.5),))


def test_of_a_run_without_a_readable_state_events_and_records_remain() -> None:
    view = folded(BEGAN, *(SessionStarted(t=NOW, seq=seq, prompt="alpha") for seq in (1, 2)))
    seen = sighted(view, on_record(None, record(1)))
    assert [flight.seq for flight in seen.in_flight] == [2]
    assert (seen.activity, seen.used.iterations) == (Activity.RUNNING, 1)
    assert sighted(View(), on_record(None, live=False)).activity is Activity.OVER


def test_events_of_another_run_are_not_taken_for_this_ones() -> None:
    other = folded(
        msgspec.structs.replace(BEGAN, run_id="other", branch="other", started_at=NOW - timedelta(1))
    )
    assert sighted(other, on_record(fresh_run())).branch == BRANCH


def test_a_late_viewer_of_a_live_run_learns_that_it_awaits_workers() -> None:
    late = folded(WorkersAwaited(why="none is connected"))
    assert sighted(late, on_record(fresh_run())).awaits == "none is connected"
    assert sighted(late, on_record(fresh_run(), live=False)).awaits == ""
