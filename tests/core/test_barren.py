"""A prompt whose sessions land nothing again and again takes no further part in its run (SPEC 11)."""

from __future__ import annotations

from itertools import islice
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.barren import streaks_after
from pitboss.core.chooser import Choice, upcoming
from pitboss.core.choosers.rotation import RotationChooser
from pitboss.core.left_out import LeftOut, current_streaks, left_out, limited, limits
from pitboss.core.rotation import Entry, Rotation
from pitboss.core.run import Retry, counted
from pitboss.core.scheduler import Contender, SchedulerState, standings
from pitboss.core.session import SessionRecord, SessionStatus
from pitboss.core.stops import Ending
from pitboss.core.words.standing import left_out_words
from tests.support.values import flying, fresh_run, prompt, record, run_state

OK, ERROR = SessionStatus.OK, SessionStatus.ERROR
TAKERS = [Contender(name="alpha"), Contender(name="bravo", weight=2), Contender(name="rare", every=3)]
NAMES = tuple(each.name for each in TAKERS)


def barren(seq: int, name: str = "alpha", status: SessionStatus = OK, **changes: Any) -> SessionRecord:
    return record(seq, name, status, commit=None, **changes)


@pytest.mark.parametrize(
    ("line", "streak"),
    [
        (barren(3), 3),
        (barren(3, status=SessionStatus.DIRTY), 3),
        (barren(3, status=ERROR), 3),
        (barren(3, status=SessionStatus.TIMEOUT), 3),
        (barren(3, status=ERROR, rescue=("refs/pitboss/rescue/rid/session-0003",)), 3),
        (record(3), 0),
        (record(3, status=ERROR), 0),
        (barren(3, status=SessionStatus.ABORTED), 2),
        (barren(3, status=SessionStatus.SKIPPED), 2),
        (barren(3, status=ERROR, reason="overloaded: gone", waited_s=9.0), 2),
        (barren(3, status=ERROR, reason="overloaded: gone"), 3),
        (barren(3, retry_of=1), 2),
        (record(3, retry_of=1), 2),
        (barren(3, queued="t1"), 2),
        (record(3, queued="t1"), 2),
        (record(3, "bravo"), 2),
    ],
    ids=lambda value: str(value) if isinstance(value, int) else f"{value.prompt}-{value.status}",
)
def test_sessions_that_landed_nothing_are_counted_until_one_lands(line: SessionRecord, streak: int) -> None:
    assert streaks_after({"alpha": 2}, line).get("alpha", 0) == streak


lines = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([OK, ERROR]), st.booleans()), max_size=30)


@given(lines)
def test_a_streak_is_what_came_after_the_last_session_that_landed(
    happened: list[tuple[str, SessionStatus, bool]],
) -> None:
    streaks: dict[str, int] = {}
    landed: dict[str, list[bool]] = {name: [] for name in NAMES}
    for seq, (name, status, lands) in enumerate(happened, 1):
        streaks = streaks_after(streaks, record(seq, name, status) if lands else barren(seq, name, status))
        landed[name].append(lands)
    for name, each in landed.items():
        assert streaks.get(name, 0) == (each[::-1].index(True) if True in each else len(each))


@given(
    st.dictionaries(st.sampled_from(NAMES), st.integers(1, 3), max_size=3),
    st.lists(st.booleans(), max_size=40),
)
def test_no_session_starts_at_its_limit_and_a_replay_without_limits_agrees(
    most: dict[str, int], lands: list[bool]
) -> None:
    chooser, run, log = RotationChooser(TAKERS), fresh_run(max_barren=most), list[SessionRecord]()
    for seq, landed in enumerate(lands, 1):
        choice = chooser.next(run, ())
        if isinstance(choice, Ending):
            assert {each.prompt for each in left_out(run)} == set(NAMES)
            assert choice.message == "every prompt has had its runs or landed nothing too often"
            break
        assert isinstance(choice, Choice)
        assert current_streaks(run).get(choice.prompt, 0) < most.get(choice.prompt, 99)
        commit = f"abc{seq:040}" if landed else None
        log.append(record(seq, choice.prompt, rotation=choice.rotation, commit=commit))
        run = chooser.advance(run, log[-1])
    replayed = fresh_run()
    for line in log:
        replayed = chooser.advance(replayed, line)
    assert replayed == msgspec.structs.replace(run, max_barren={})


def test_a_limit_that_is_raised_brings_the_prompt_back() -> None:
    chooser, run = RotationChooser([Contender(name="alpha")]), fresh_run(barren_per_prompt={"alpha": 2})
    assert [
        each.prompt for each in upcoming(chooser, msgspec.structs.replace(run, max_barren={"alpha": 2}))
    ] == []
    raised = msgspec.structs.replace(run, max_barren={"alpha": 3})
    assert next(upcoming(chooser, raised)).prompt == "alpha"


def test_a_run_waits_for_sessions_in_flight_that_may_bring_a_prompt_back() -> None:
    chooser = RotationChooser([Contender(name="alpha")])
    run = fresh_run(barren_per_prompt={"alpha": 1}, max_barren={"alpha": 1}, in_flight=(flying(2),))
    assert not isinstance(chooser.next(run, (flying(2).assignment,)), Choice | Ending)


def test_a_prompt_that_is_left_out_gets_no_second_turn_and_holds_up_no_other() -> None:
    chooser = RotationChooser([Contender(name="alpha"), Contender(name="bravo")])
    conflicts = (Retry(seq=1, prompt="alpha"), Retry(seq=2, prompt="bravo"))
    run = run_state(conflicts=conflicts, barren_per_prompt={"alpha": 1}, max_barren={"alpha": 1})
    assert list(islice(upcoming(chooser, run), 2)) == [
        Choice(prompt="bravo", rotation=3, retry_of=2),
        Choice(prompt="bravo", rotation=4),
    ]


def test_records_that_wait_for_an_earlier_one_count() -> None:
    run = fresh_run(
        barren_per_prompt={"alpha": 1},
        max_barren={"alpha": 3},
        early=(barren(3), barren(4), barren(5, "bravo")),
    )
    assert left_out(run) == (LeftOut(prompt="alpha", streak=3, max_barren=3),)


def test_records_of_the_rust_program_are_replayed_as_it_chose_them() -> None:
    chooser = RotationChooser([Contender(name="alpha")])
    run = fresh_run(max_barren={"alpha": 1})
    for seq in (1, 2):
        run = chooser.advance(run, barren(seq, rotation=None))
    assert left_out(run) == (LeftOut(prompt="alpha", streak=2, max_barren=1),)


def test_the_streaks_of_a_run_that_never_counted_them_are_counted_from_its_log() -> None:
    run = run_state(unknown_costs=0)
    log = [barren(3), record(1), barren(2), barren(4)]
    assert counted(run, log) == msgspec.structs.replace(run, barren_per_prompt={"alpha": 2})


def test_limits_are_those_of_the_prompts_that_take_part() -> None:
    prompts = {
        name: prompt(name, max_barren=most) for name, most in (("alpha", 2), ("bravo", None), ("c", 1))
    }
    rotation = Rotation(name="default", entries=(Entry(name="alpha"), Entry(name="bravo")))
    assert limits(["alpha", "gone"], prompts) == {"alpha": 2}
    assert limited(fresh_run(), rotation, prompts) == fresh_run(max_barren={"alpha": 2})


def test_who_is_left_out_stands_last_without_a_score() -> None:
    found = standings(TAKERS, SchedulerState(rotation=2), left_out={"bravo"})
    assert [(each.name, each.score, each.left_out) for each in found] == [
        ("alpha", 0, False),
        ("rare", 0, False),
        ("bravo", None, True),
    ]


@pytest.mark.parametrize(("streak", "sessions"), [(1, "session"), (3, "3 sessions")])
def test_it_is_said_why_a_prompt_is_left_out(streak: int, sessions: str) -> None:
    said = left_out_words(LeftOut(prompt="alpha", streak=streak, max_barren=1))
    assert said == f"takes no further part: its last {sessions} landed nothing (max_barren 1)"
