"""What a screen shows: the fold of events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from pitboss.core.budget import BudgetSnapshot, Caps
from pitboss.core.diff_stat import DiffStat
from pitboss.core.events import (
    Aborting,
    CapsChanged,
    Draining,
    Paused,
    Phase,
    PhaseChanged,
    PromptFacts,
    QuotaSeen,
    Repaired,
    RunEnded,
    RunEvent,
    RunStarted,
    SessionEnded,
    SessionStarted,
    Skipping,
    Step,
    StepKind,
    Unpaused,
    Warned,
    WorkersAwaited,
)
from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.stops import RunStatus, StopReason
from pitboss.core.usage import RoleTokens
from pitboss.core.view import MOST_RECENT, MOST_WARNINGS, Activity, Flight, View, fold, of_state
from tests.support.values import flying, fresh_run, record, run_state

NOW = datetime(2026, 5, 1, 23, 0, tzinfo=UTC)
STARTED = RunStarted(
    t=NOW,
    run_id="rid",
    branch="pitboss/grind/rid",
    rotation="default",
    prompts=(PromptFacts(name="alpha"),),
    caps=Caps(max_iterations=3),
    max_parallel=2,
    used=BudgetSnapshot(iterations=1),
    last_seq=1,
    next_pick="alpha",
)
BEGUN = SessionStarted(t=NOW, seq=2, prompt="alpha", agent="codex", slot="worktrees/slot-1", host="here")
STEP = Step(
    t=NOW, seq=2, what=StepKind.TOOL, text="make", tokens=RoleTokens(input=9), cost_usd=0.5, cost_known=False
)


def folded(*events: RunEvent, view: View | None = None) -> View:
    seen = view or View()
    for event in events:
        seen = fold(seen, event)
    return seen


def test_a_run_that_starts_shows_its_caps_its_use_so_far_and_what_comes_next() -> None:
    view = folded(Repaired(text="mended"), STARTED)
    assert (view.run_id, view.caps, view.used.iterations) == ("rid", Caps(max_iterations=3), 1)
    assert (view.next_pick, view.last_seq, view.activity) == ("alpha", 1, Activity.RUNNING)


def test_a_run_awaits_workers_until_one_is_ready_or_it_is_over_or_begins_again() -> None:
    awaited = folded(STARTED, WorkersAwaited(why="none is connected", long=True))
    assert (awaited.awaits, awaited.awaits_long) == ("none is connected", True)
    ready = WorkersAwaited()
    ended = RunEnded(
        run_id="rid",
        branch="b",
        status=RunStatus.COMPLETED,
        stop_reason=StopReason.EXHAUSTED,
        message="",
        exit_code=0,
    )
    after = [fold(awaited, event) for event in (ready, STARTED, ended, BEGUN)]
    assert [(view.awaits, view.awaits_long) for view in after] == [
        *[("", False)] * 3,
        ("none is connected", True),
    ]


def test_a_session_in_flight_has_a_phase_a_last_step_and_what_it_used() -> None:
    until = NOW + timedelta(hours=1)
    wait = PhaseChanged(seq=2, phase=Phase.WAIT, detail="codex's usage limit", until=until, attempt=2)
    flight = folded(STARTED, BEGUN, STEP, wait).flight(2)
    assert flight == Flight(
        seq=2,
        prompt="alpha",
        agent="codex",
        slot="worktrees/slot-1",
        host="here",
        started_at=NOW,
        phase=Phase.WAIT,
        detail="codex's usage limit",
        until=until,
        attempt=2,
        tokens=RoleTokens(input=9),
        cost_usd=0.5,
        cost_known=False,
    )
    assert folded(STEP).flight(2) is not None, "a viewer that came late has not seen it start"


def test_a_session_on_the_runs_own_machine_is_on_no_worker() -> None:
    flight = folded(msgspec.structs.replace(STARTED, host="here"), BEGUN).flight(2)
    assert flight is not None
    assert flight.host is None


def test_a_session_whose_events_nobody_saw_is_where_the_state_says() -> None:
    session = flying(2, worktree="worktrees/slot-1", host="rack")
    flight = of_state(fresh_run(), (session,)).flight(2)
    assert flight is not None
    assert (flight.slot, flight.host) == ("worktrees/slot-1", "rack")


def test_a_session_that_ended_is_counted_and_no_more_in_flight() -> None:
    ended = SessionEnded(record=record(2, tokens=(10, 5), cost_usd=0.5, cost_known=False), next_pick="bravo")
    view = folded(STARTED, BEGUN, STEP, ended)
    assert (view.in_flight, view.recent, view.next_pick) == ((), (ended.record,), "bravo")
    assert (view.used.iterations, view.used.tokens, view.cost_known, view.last_seq) == (2, 15, False, 2)


def test_how_much_recent_sessions_changed_is_kept_with_them() -> None:
    diff = DiffStat(files=2, added=3, removed=1)
    view = folded(STARTED, SessionEnded(record=record(1), diff=diff), SessionEnded(record=record(2)))
    assert view.diffs == {1: diff}
    view = folded(
        STARTED, *(SessionEnded(record=record(seq), diff=diff) for seq in range(1, 2 * MOST_RECENT))
    )
    assert set(view.diffs) == {line.seq for line in view.recent}


def test_memory_stays_flat_however_long_the_night() -> None:
    many = [SessionEnded(record=record(seq)) for seq in range(1, 2 * MOST_RECENT)]
    warnings = [Warned(text=str(number)) for number in range(2 * MOST_WARNINGS)]
    view = folded(STARTED, *many, *warnings)
    assert (len(view.recent), len(view.warnings)) == (MOST_RECENT, MOST_WARNINGS)
    assert view.recent[0].seq == 2 * MOST_RECENT - 1


def test_what_the_run_does_and_how_it_ended() -> None:
    ended = RunEnded(
        run_id="rid",
        branch="b",
        status=RunStatus.ABORTED,
        stop_reason=StopReason.DRAINED,
        message="drained on request",
        exit_code=0,
        used=BudgetSnapshot(iterations=7),
    )
    assert folded(STARTED, Draining()).activity is Activity.DRAINING
    assert folded(STARTED, Draining(), Aborting()).activity is Activity.ABORTING
    view = folded(STARTED, BEGUN, ended)
    assert (view.activity, view.in_flight, view.used.iterations) == (Activity.OVER, (), 7)
    assert view.ended == ended
    assert folded(STARTED, view=view).ended is None, "resumed"


def test_a_pause_lasts_until_it_ends_the_run_does_or_another_start() -> None:
    assert folded(STARTED, Paused()).paused
    assert folded(STARTED, Paused(), BEGUN, Draining()).paused
    assert not folded(STARTED, Paused(), Unpaused()).paused
    assert not folded(STARTED, Paused(), STARTED).paused
    assert of_state(fresh_run(paused=True), ()).paused
    assert not of_state(run_state(status=RunStatus.ABORTED, paused=True), ()).paused


def test_other_caps_replace_those_of_the_start_and_a_skip_changes_nothing() -> None:
    caps = Caps(max_tokens=9)
    assert folded(STARTED, CapsChanged(caps=caps)).caps == caps


@pytest.mark.parametrize("change", [CapsChanged(caps=Caps(max_iterations=20)), STARTED])
def test_what_was_said_of_caps_goes_when_others_are_in_force(change: RunEvent) -> None:
    said = [
        "max-iterations at 80%: 12 of 14",
        "max-cost at 80%: $8.00 of $10.00",
        "until at 80%: 48m of 1h",
        "unknown price of model m",
    ]
    warned = folded(STARTED, *(Warned(text=text) for text in said))
    assert warned.warnings == tuple(said)
    assert fold(warned, change).warnings == ("unknown price of model m",)
    assert folded(STARTED, change, Warned(text=said[0])).warnings == (said[0],)
    assert folded(STARTED, BEGUN, Skipping(seqs=(2,))) == folded(STARTED, BEGUN)


def test_quotas_are_kept_by_agent() -> None:
    window = QuotaWindow(used=0.5)
    view = folded(
        QuotaSeen(agent="codex", five_hour=window), QuotaSeen(agent="claude_code", seven_day=window)
    )
    assert view.quota == {"codex": Quota(five_hour=window), "claude_code": Quota(seven_day=window)}
