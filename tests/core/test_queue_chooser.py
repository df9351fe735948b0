"""The queue as a chooser: tasks come first, and the rotation goes on as if there had been none (SPEC 10)."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.chooser import Choice, Wait, upcoming
from pitboss.core.choosers.for_run import chooser_for
from pitboss.core.choosers.queue import QueueChooser
from pitboss.core.choosers.room import Room
from pitboss.core.choosers.rotation import RotationChooser
from pitboss.core.config import GrindSettings
from pitboss.core.recovery.replay import replay_records
from pitboss.core.rotation import default_rotation
from pitboss.core.run import WaitingTask
from pitboss.core.scheduler import Contender
from pitboss.core.stops import Ending
from tests.support.rehearsal import Rehearsal
from tests.support.values import assigned, flying, fresh_run, prompt, record

TAKERS = (Contender(name="alpha", weight=2, max_runs=5), Contender(name="bravo", max_runs=3))
ROOM = Room(max_parallel=3, parallel_safe=frozenset({"alpha", "bravo"}))
ALONE, SHARING = WaitingTask(id="a", prompt="door"), WaitingTask(id="b", prompt="alpha", parallel_safe=True)

steps = st.lists(st.tuples(st.integers(0, 9), st.booleans(), st.none() | st.booleans()), max_size=30)
"""Which session ends next, whether in a conflict, and whether a task is queued before that: alone or parallel-safe."""


def queue_first(room: Room = ROOM) -> QueueChooser:
    return QueueChooser(RotationChooser(TAKERS, room), room)


def played(room: Room, taken: list[tuple[int, bool, bool | None]]) -> Rehearsal:
    """A run in which tasks are queued while sessions end."""
    rehearsal = Rehearsal(queue_first(room))
    for number, (which, conflict, task) in enumerate(taken):
        if task is not None:
            rehearsal.queue(WaitingTask(id=f"{number:02}", prompt="alpha", parallel_safe=task))
        while isinstance(rehearsal.start(), Choice):
            pass
        if rehearsal.running:
            rehearsal.end(which, conflict=conflict)
    return rehearsal


@given(st.sampled_from([ROOM, Room(), Room(max_parallel=2)]), steps)
def test_the_rotation_goes_on_as_if_no_task_had_been_queued(
    room: Room, taken: list[tuple[int, bool, bool | None]]
) -> None:
    rehearsal = played(room, taken)
    forecast = [choice.prompt for choice in upcoming(RotationChooser(TAKERS), fresh_run())]
    assert rehearsal.picked == forecast[: len(rehearsal.picked)]


@given(steps)
def test_each_task_starts_once_and_oldest_first(taken: list[tuple[int, bool, bool | None]]) -> None:
    rehearsal = played(ROOM, taken)
    started = [choice.queued for choice in rehearsal.started if choice.queued is not None]
    queued = [f"{number:02}" for number, (_, _, task) in enumerate(taken) if task is not None]
    assert started + [task.id for task in rehearsal.run.queue] == queued


@given(steps)
def test_live_equals_replayed_with_tasks_in_between(taken: list[tuple[int, bool, bool | None]]) -> None:
    rehearsal = played(ROOM, taken)
    while rehearsal.running:
        rehearsal.end(0)
    log = sorted(rehearsal.log, key=lambda line: line.seq)
    live = msgspec.structs.replace(rehearsal.run, queue=())
    assert replay_records(fresh_run(), log, queue_first(), log_seq=len(log)) == live
    assert replay_records(fresh_run(), log, RotationChooser(TAKERS), log_seq=len(log)) == live
    assert live.budget_consumed.iterations == len(log)
    assert sum(live.scheduler_state.runs_per_prompt.values()) == len(rehearsal.picked)


@given(steps)
def test_records_of_another_program_are_replayed_around_those_of_tasks(
    taken: list[tuple[int, bool, bool | None]],
) -> None:
    """The Rust program's records carry no rotation: the scheduler is run again, and must agree."""
    rehearsal = played(Room(), [(which, False, task) for which, _, task in taken])
    while rehearsal.running:
        rehearsal.end(0)
    bare = [msgspec.structs.replace(line, rotation=None) for line in rehearsal.log]
    replayed = replay_records(fresh_run(), bare, queue_first(), log_seq=len(bare))
    assert replayed.scheduler_state == rehearsal.run.scheduler_state


@pytest.mark.parametrize(
    ("task", "running", "starts"),
    [
        (ALONE, (), True),
        (ALONE, (assigned(1),), False),
        (SHARING, (assigned(1),), True),
        (SHARING, (assigned(1), assigned(2), assigned(3)), False),
        (SHARING, (assigned(1, queued="x", parallel_safe=True),), True),
        (SHARING, (assigned(1, queued="x"),), False),
        (SHARING, (assigned(1, prompt="charlie"),), False),
        (SHARING, (assigned(1, prompt="charlie", queued="x", parallel_safe=True),), True),
    ],
)
def test_a_task_waits_for_its_place_and_nobody_overtakes_it(
    task: WaitingTask, running: tuple[object, ...], starts: bool
) -> None:
    answer = queue_first().next(fresh_run(queue=(task,)), running)  # type: ignore[arg-type]
    if starts:
        assert answer == Choice(prompt=task.prompt, rotation=0, in_slot=task is SHARING, queued=task.id)
    else:
        assert answer == Wait()


def test_prompts_that_share_do_not_start_beside_a_task_that_runs_alone() -> None:
    assert queue_first().next(fresh_run(), (assigned(1, queued="x"),)) == Wait()
    beside = queue_first().next(fresh_run(), (assigned(1, queued="x", parallel_safe=True),))
    assert isinstance(beside, Choice)


def test_without_slots_a_task_runs_in_the_users_tree() -> None:
    first = queue_first(Room()).next(fresh_run(queue=(SHARING,)), ())
    assert first == Choice(prompt="alpha", rotation=0, queued="b")


def test_a_task_in_flight_is_not_started_again() -> None:
    run = fresh_run(queue=(ALONE, SHARING), in_flight=(flying(1, prompt="door", queued="a"),))
    assert next(upcoming(queue_first(), run)).queued == "b"


def test_a_task_that_is_queued_when_all_is_done_is_run() -> None:
    rehearsal = Rehearsal(queue_first())
    rehearsal.play([(0, False)] * 20)
    assert isinstance(rehearsal.ask(), Ending)
    rehearsal.queue(ALONE)
    assert rehearsal.ask() == Choice(prompt="door", rotation=8, queued="a")


def test_a_run_forecasts_its_queue_before_its_rotation() -> None:
    docs = [prompt("alpha", max_runs=1)]
    chooser = chooser_for(
        default_rotation(docs), {doc.meta.name: doc for doc in docs}, GrindSettings(), max_parallel=1
    )
    ahead = [
        (choice.prompt, choice.queued) for choice in upcoming(chooser, fresh_run(queue=(ALONE, SHARING)))
    ]
    assert ahead == [("door", "a"), ("alpha", "b"), ("alpha", None)]


def test_tasks_are_summed_up_under_a_name_that_no_prompt_can_have() -> None:
    state = fresh_run()
    for seq, queued in enumerate(["x", None, "y"], start=1):
        state = queue_first().advance(state, record(seq, rotation=1, queued=queued, cost_usd=0.5))
    spent = {name: spent.sessions for name, spent in state.spend_per_prompt.items()}
    assert spent == {"(queued)": 2, "alpha": 1}
