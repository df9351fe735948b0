"""What every chooser keeps: the rotation, the script that tests play, the queue before each of them (SPEC 3)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.chooser import Choice, Chooser, Wait, upcoming
from pitboss.core.choosers.queue import QueueChooser
from pitboss.core.choosers.room import Room
from pitboss.core.choosers.rotation import RotationChooser
from pitboss.core.choosers.scripted import ScriptedChooser
from pitboss.core.recovery.refusals import StateOutOfSync
from pitboss.core.recovery.replay import replay_records
from pitboss.core.run import WaitingTask
from pitboss.core.scheduler import Contender
from pitboss.core.stops import Ending
from tests.support.rehearsal import Rehearsal
from tests.support.values import fresh_run, record

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.session import Assignment

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


def queue_before_rotation() -> Chooser:
    return QueueChooser(rotation(), ROOM)


def queue_before_script() -> Chooser:
    return QueueChooser(script(), ROOM)


TASKS = (
    WaitingTask(id="1", prompt="alpha"),
    WaitingTask(id="2", prompt="weekly", parallel_safe=True),
    WaitingTask(id="3", prompt="door", parallel_safe=True),
    WaitingTask(id="4", prompt="door"),
)
"""Named like prompts in part, which are then not the other way round about running side by side."""

choosers = pytest.mark.parametrize("make", [rotation, script, queue_before_rotation, queue_before_script])
endings = st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=25)


def begun(make: Callable[[], Chooser]) -> Rehearsal:
    """A run in which a chooser of queued tasks has some to choose."""
    return Rehearsal(make(), TASKS if isinstance(make(), QueueChooser) else ())


def played(make: Callable[[], Chooser], ends: list[tuple[int, bool]]) -> Rehearsal:
    rehearsal = begun(make)
    rehearsal.play(ends)
    return rehearsal


def may_share(session: Assignment) -> bool:
    if session.queued is None:
        return session.prompt in ROOM.parallel_safe
    return session.queued in {task.id for task in TASKS if task.parallel_safe}


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
    rehearsal = begun(make)
    for which, conflict in ends:
        while isinstance(rehearsal.start(), Choice):
            running = rehearsal.running
            assert len(running) == 1 or (all(map(may_share, running)) and len(running) <= 3)
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
    left = rehearsal.run.queue
    for line in log:
        checkpoints.append(make().advance(checkpoints[-1], line))
    assert msgspec.structs.replace(checkpoints[-1], queue=left) == rehearsal.run
    for checkpoint in checkpoints:
        assert replay_records(checkpoint, log, make(), log_seq=len(log)) == checkpoints[-1]


@choosers
def test_a_record_out_of_its_turn_is_refused(make: Callable[[], Chooser]) -> None:
    with pytest.raises(ValueError, match="cannot follow"):
        make().advance(fresh_run(), record(2))
    with pytest.raises(StateOutOfSync):
        replay_records(fresh_run(), [record(2)], make(), log_seq=2)


@choosers
def test_the_forecast_is_what_starts_when_sessions_run_one_by_one(make: Callable[[], Chooser]) -> None:
    rehearsal = begun(make)
    forecast = list(upcoming(rehearsal.chooser, rehearsal.run))
    while isinstance(rehearsal.start(), Choice):
        rehearsal.end(0)
    assert rehearsal.started[: len(forecast)] == forecast
