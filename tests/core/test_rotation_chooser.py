"""The rotation as a chooser: turns are strict, nobody overtakes, and a conflict's second turn goes first (SPEC 3)."""

from __future__ import annotations

from itertools import islice
from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.chooser import Choice, Wait, upcoming
from pitboss.core.choosers.for_run import chooser_for
from pitboss.core.choosers.room import Room
from pitboss.core.choosers.rotation import RotationChooser, dispatched_scheduler
from pitboss.core.config import GrindSettings
from pitboss.core.rotation import Entry, Rotation
from pitboss.core.run import Retry
from pitboss.core.scheduler import Contender, SchedulerState
from pitboss.core.stops import Ending
from tests.support.rehearsal import Rehearsal
from tests.support.values import flying, fresh_run, prompt, record, run_state

NAMES = ("alpha", "bravo", "charlie", "delta")
bounded_or_not = st.none() | st.integers(0, 5)
endings = st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=40)
rooms = st.builds(Room, max_parallel=st.integers(1, 4), parallel_safe=st.frozensets(st.sampled_from(NAMES)))


def rotations(max_runs: st.SearchStrategy[int | None] = bounded_or_not) -> st.SearchStrategy[list[Contender]]:
    contender = st.builds(
        Contender,
        name=st.sampled_from(NAMES),
        weight=st.integers(1, 9),
        every=st.integers(1, 6),
        max_runs=max_runs,
    )
    return st.lists(contender, max_size=4, unique_by=lambda c: c.name)


def forecast(takers: list[Contender], count: int) -> list[Choice]:
    """The first sessions of a run without conflicts, one after another."""
    return list(islice(upcoming(RotationChooser(takers), fresh_run()), count))


@given(rotations(), rooms, endings)
def test_picks_do_not_depend_on_room_on_who_ends_first_or_on_conflicts(
    takers: list[Contender], room: Room, ends: list[tuple[int, bool]]
) -> None:
    rehearsal = Rehearsal(RotationChooser(takers, room))
    rehearsal.play(ends)
    expected = forecast(takers, len(rehearsal.picked))
    assert rehearsal.picked == [choice.prompt for choice in expected]


@given(rotations(), rooms, endings)
def test_whoever_waits_for_room_is_the_next_to_start(
    takers: list[Contender], room: Room, ends: list[tuple[int, bool]]
) -> None:
    """Nobody overtakes, save a conflict's second turn that came up meanwhile."""
    rehearsal = Rehearsal(RotationChooser(takers, room))
    awaited: str | None = None
    for which, conflict in ends:
        while isinstance(answer := rehearsal.start(), Choice):
            if answer.retry_of is None and awaited is not None:
                assert answer.prompt == awaited
                awaited = None
        if isinstance(answer, Wait):
            turn = next(
                upcoming(rehearsal.chooser, msgspec.structs.replace(rehearsal.run, conflicts=())), None
            )
            awaited = turn.prompt if turn else None
        if rehearsal.running:
            rehearsal.end(which, conflict=conflict)


@given(rotations(max_runs=st.integers(0, 3)), rooms, endings)
def test_each_prompt_has_its_runs_and_no_conflict_is_left_without_its_second_turn(
    takers: list[Contender], room: Room, ends: list[tuple[int, bool]]
) -> None:
    rehearsal = Rehearsal(RotationChooser(takers, room))
    rehearsal.play([*ends, *[(0, False)] * 40])
    assert isinstance(rehearsal.ask(), Ending)
    assert (rehearsal.run.conflicts, rehearsal.run.in_flight) == ((), ())
    assert {c.name: rehearsal.picked.count(c.name) for c in takers} == {c.name: c.max_runs for c in takers}


@given(rotations(), rooms, endings)
def test_a_log_without_rotations_replays_to_the_state_of_the_live_run(
    takers: list[Contender], room: Room, ends: list[tuple[int, bool]]
) -> None:
    rehearsal = Rehearsal(RotationChooser(takers, room))
    rehearsal.play(ends)
    while rehearsal.running:
        rehearsal.end(0)
    chooser, replayed = RotationChooser(takers), fresh_run()
    for line in sorted(rehearsal.log, key=lambda line: line.seq):
        replayed = chooser.advance(replayed, msgspec.structs.replace(line, rotation=None))
    assert replayed == rehearsal.run


def test_a_record_without_rotation_that_the_scheduler_would_not_pick_is_refused() -> None:
    chooser = RotationChooser([Contender(name="alpha"), Contender(name="bravo")])
    with pytest.raises(ValueError, match="does not pick bravo"):
        chooser.advance(fresh_run(), record(1, "bravo"))


def test_second_turns_in_flight_are_no_dispatches_of_the_scheduler() -> None:
    flight = (flying(4, prompt="bravo", rotation=7), flying(5, rotation=8, retry_of=2), flying(6, rotation=9))
    assert dispatched_scheduler(run_state(in_flight=flight)) == SchedulerState(
        rotation=9, runs_per_prompt={"alpha": 3, "bravo": 2}
    )


def test_the_oldest_conflict_without_a_second_turn_goes_first() -> None:
    chooser = RotationChooser([Contender(name="alpha"), Contender(name="bravo"), Contender(name="charlie")])
    run = run_state(conflicts=(Retry(seq=1, prompt="alpha"), Retry(seq=3, prompt="bravo")))
    assert list(islice(upcoming(chooser, run), 3)) == [
        Choice(prompt="alpha", rotation=3, retry_of=1),
        Choice(prompt="bravo", rotation=3, retry_of=3),
        Choice(prompt="charlie", rotation=4),
    ]
    taken = msgspec.structs.replace(run, in_flight=(flying(4, prompt="bravo", rotation=3, retry_of=3),))
    assert next(upcoming(chooser, taken)).retry_of == 1


def test_a_conflict_of_a_prompt_that_left_the_rotation_gets_no_second_turn() -> None:
    run = run_state(conflicts=(Retry(seq=1, prompt="alpha"),))
    assert next(upcoming(RotationChooser([Contender(name="bravo")]), run)).prompt == "bravo"


@pytest.mark.parametrize(
    ("max_parallel", "mode", "in_slot"),
    [(1, "in-place", False), (2, "in-place", True), (1, "worktree", True)],
)
def test_sessions_get_a_working_copy_where_they_may_share_or_the_mode_says_so(
    max_parallel: int, mode: Literal["in-place", "worktree"], in_slot: bool
) -> None:
    rotation = Rotation(name="default", entries=(Entry(name="alpha"),))
    prompts = {"alpha": prompt("alpha", parallel_safe=True)}
    chooser = chooser_for(rotation, prompts, GrindSettings(mode=mode), max_parallel=max_parallel)
    assert next(upcoming(chooser, fresh_run())).in_slot is in_slot


def test_one_that_runs_alone_waits_for_all_others_and_keeps_them_waiting() -> None:
    room = Room(max_parallel=2, parallel_safe=frozenset({"alpha"}))
    chooser = RotationChooser([Contender(name="alpha"), Contender(name="bravo")], room)
    assert isinstance(chooser.next(fresh_run(), (flying(1, prompt="bravo").assignment,)), Wait)
    after_alpha = fresh_run(in_flight=(flying(1, prompt="alpha", rotation=1),))
    assert isinstance(chooser.next(after_alpha, (flying(1).assignment,)), Wait)


@pytest.mark.parametrize(
    ("wanted", "working", "landing", "free"),
    [
        ("alpha", "", "", True),
        ("alpha", "alpha", "alpha", True),
        ("alpha", "alpha", "alpha bravo", False),
        ("alpha", "alpha bravo", "", False),
        ("alpha", "", "alpha", True),
        ("charlie", "", "alpha", False),
        ("alpha", "", "charlie", False),
    ],
)
def test_who_only_waits_to_land_takes_up_no_room(wanted: str, working: str, landing: str, free: bool) -> None:
    """Two may work and two may wait to land; `charlie` runs alone."""
    room = Room(max_parallel=2, parallel_safe=frozenset({"alpha", "bravo"}))
    sessions = [[flying(9, prompt=name).assignment for name in names.split()] for names in (working, landing)]
    assert room.is_free(wanted, *sessions) is free


def test_a_rotation_is_not_over_while_sessions_wait_to_land() -> None:
    chooser = RotationChooser([Contender(name="alpha", max_runs=0)])
    assert chooser.next(fresh_run(), (), (flying(1).assignment,)) == Wait()
