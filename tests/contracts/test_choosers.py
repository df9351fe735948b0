"""What every chooser keeps, be it the rotation or the script that tests play (SPEC 3)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.chooser import Choice, Chooser, Wait, upcoming
from pitboss.core.choosers.room import Room
from pitboss.core.choosers.rotation import RotationChooser
from pitboss.core.choosers.scripted import ScriptedChooser
from pitboss.core.recovery.refusals import StateOutOfSync
from pitboss.core.recovery.replay import replay_records
from pitboss.core.scheduler import Contender
from pitboss.core.stops import Ending
from tests.support.rehearsal import Rehearsal
from tests.support.values import fresh_run, record

if TYPE_CHECKING:
    from collections.abc import Callable

ROOM = Room(max_parallel=3, parallel_safe=frozenset({"alpha", "bravo"}))


def rotation() -> Chooser:
    return RotationChooser(
        [
            Contender(name="alpha", weight=2, max_runs=6),
            Contender(name="bravo", max_runs=4),
            Contender(name="weekly", every=3, max_runs=2),
        ],
        ROOM,
    )


def script() -> Chooser:
    return ScriptedChooser(["alpha", "bravo", "alpha", "weekly", "bravo", "bravo", "alpha"], ROOM)


choosers = pytest.mark.parametrize("make", [rotation, script])
endings = st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=25)


def played(make: Callable[[], Chooser], ends: list[tuple[int, bool]]) -> Rehearsal:
    rehearsal = Rehearsal(make())
    rehearsal.play(ends)
    return rehearsal


@choosers
@given(ends=endings)
def test_asking_changes_nothing_and_gives_the_same_answer_again(
    make: Callable[[], Chooser], ends: list[tuple[int, bool]]
) -> None:
    rehearsal = played(make, ends)
    before = copy.deepcopy(rehearsal.run)
    answer = rehearsal.ask()
    assert rehearsal.run == before
    assert rehearsal.ask() == answer == make().next(before, rehearsal.running)


@choosers
@given(ends=endings)
def test_it_waits_only_while_something_runs(
    make: Callable[[], Chooser], ends: list[tuple[int, bool]]
) -> None:
    rehearsal = played(make, ends)
    while rehearsal.running:
        rehearsal.end(0)
    assert not isinstance(rehearsal.ask(), Wait)


@choosers
@given(ends=endings)
def test_it_ends_only_when_nothing_runs_and_then_for_good(
    make: Callable[[], Chooser], ends: list[tuple[int, bool]]
) -> None:
    rehearsal = played(make, [*ends, *[(0, False)] * 40])
    assert rehearsal.running == ()
    answer = rehearsal.ask()
    assert isinstance(answer, Ending)
    assert [rehearsal.ask(), make().next(rehearsal.run, ())] == [answer, answer]
    assert list(upcoming(rehearsal.chooser, rehearsal.run)) == []


@choosers
@given(ends=endings)
def test_sessions_run_side_by_side_only_where_all_of_them_may(
    make: Callable[[], Chooser], ends: list[tuple[int, bool]]
) -> None:
    rehearsal = Rehearsal(make())
    for which, conflict in ends:
        while isinstance(rehearsal.start(), Choice):
            prompts = [session.prompt for session in rehearsal.running]
            assert len(prompts) == 1 or (set(prompts) <= ROOM.parallel_safe and len(prompts) <= 3)
        if rehearsal.running:
            rehearsal.end(which, conflict=conflict)


@choosers
@given(ends=endings)
def test_advancing_by_each_record_is_replaying_the_log_from_any_checkpoint(
    make: Callable[[], Chooser], ends: list[tuple[int, bool]]
) -> None:
    rehearsal = played(make, ends)
    while rehearsal.running:
        rehearsal.end(0)
    checkpoints = [fresh_run()]
    log = sorted(rehearsal.log, key=lambda line: line.seq)
    for line in log:
        checkpoints.append(make().advance(checkpoints[-1], line))
    assert checkpoints[-1] == rehearsal.run
    for checkpoint in checkpoints:
        assert replay_records(checkpoint, log, make(), log_seq=len(log)) == rehearsal.run


@choosers
def test_a_record_out_of_its_turn_is_refused(make: Callable[[], Chooser]) -> None:
    with pytest.raises(ValueError, match="cannot follow"):
        make().advance(fresh_run(), record(2))
    with pytest.raises(StateOutOfSync):
        replay_records(fresh_run(), [record(2)], make(), log_seq=2)


@choosers
def test_the_forecast_is_what_starts_when_sessions_run_one_by_one(make: Callable[[], Chooser]) -> None:
    rehearsal = Rehearsal(make())
    forecast = list(upcoming(rehearsal.chooser, rehearsal.run))
    while isinstance(rehearsal.start(), Choice):
        rehearsal.end(0)
    assert rehearsal.started[: len(forecast)] == forecast
