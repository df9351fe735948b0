"""The scheduler against its golden sequences, and what must hold for any rotation (SPEC 3)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.scheduler import (
    Contender,
    Exhausted,
    Gated,
    Pick,
    SchedulerState,
    choose,
    next_pick,
    record_run,
    standings,
)

GOLDEN = json.loads((Path(__file__).parents[1] / "fixtures" / "scheduler.json").read_text())

names = st.text(alphabet="abcdefgh", min_size=1, max_size=3)
bounded_or_not = st.none() | st.integers(0, 5)


def rotations(
    *, max_every: int = 6, max_runs: st.SearchStrategy[int | None] = bounded_or_not
) -> st.SearchStrategy[list[Contender]]:
    contender = st.builds(
        Contender,
        name=names,
        weight=st.integers(1, 9),
        every=st.integers(1, max_every),
        max_runs=max_runs,
    )
    return st.lists(contender, max_size=5, unique_by=lambda c: c.name)


def step(contenders: list[Contender], state: SchedulerState) -> tuple[str, SchedulerState]:
    match choose(contenders, state):
        case Pick(name, after):
            return name, record_run(after, name)
        case Gated(after):
            return "(gated)", after
        case Exhausted(after):
            return "(exhausted)", after


def steps(contenders: list[Contender], state: SchedulerState, count: int) -> tuple[list[str], SchedulerState]:
    said = []
    for _ in range(count):
        answer, state = step(contenders, state)
        said.append(answer)
    return said, state


def dispatches(contenders: list[Contender], state: SchedulerState, count: int) -> list[str]:
    picked = []
    for _ in range(count):
        answer = next_pick(contenders, state)
        if isinstance(answer, Exhausted):
            break
        picked.append(answer.name)
        state = record_run(answer.state, answer.name)
    return picked


@pytest.mark.parametrize("golden", GOLDEN, ids=[g["title"] for g in GOLDEN])
def test_golden_sequence(golden: dict[str, Any]) -> None:
    contenders = [Contender(**p) for p in golden["prompts"]]
    said, end = steps(contenders, SchedulerState(**golden["start"]), golden["steps"])
    assert said == golden["picks"]
    assert end == SchedulerState(**golden["end"])


def test_ties_go_to_the_first_name_whatever_the_order_of_the_rotation() -> None:
    contenders = [Contender(name=n) for n in ("charlie", "alpha", "bravo")]
    assert dispatches(contenders, SchedulerState(), 4) == ["alpha", "bravo", "charlie", "alpha"]


def test_choosing_leaves_the_given_state_alone() -> None:
    state = SchedulerState(rotation=4, runs_per_prompt={"a": 2})
    choose([Contender(name="a")], state)
    record_run(state, "a")
    assert state == SchedulerState(rotation=4, runs_per_prompt={"a": 2})


def test_runs_of_prompts_that_left_the_rotation_do_not_weigh_in() -> None:
    state = SchedulerState(rotation=9, runs_per_prompt={"gone": 1000})
    assert dispatches([Contender(name="a"), Contender(name="b")], state, 4) == ["a", "b", "a", "b"]


def test_a_prompt_that_takes_part_once_in_a_trillion_rotations_is_found_at_once() -> None:
    rare = Contender(name="rare", every=10**12)
    assert next_pick([rare], SchedulerState()) == Pick("rare", SchedulerState(rotation=10**12))
    assert dispatches([rare], SchedulerState(rotation=5), 3) == ["rare"] * 3


@given(rotations(), st.integers(0, 1000))
def test_every_step_advances_the_rotation_by_one(contenders: list[Contender], rotation: int) -> None:
    assert choose(contenders, SchedulerState(rotation=rotation)).state.rotation == rotation + 1


@given(rotations(), st.integers(0, 60), st.integers(0, 60))
def test_resuming_anywhere_gives_the_same_tail(contenders: list[Contender], before: int, after: int) -> None:
    whole, end = steps(contenders, SchedulerState(), before + after)
    head, middle = steps(contenders, SchedulerState(), before)
    tail, resumed_end = steps(contenders, middle, after)
    assert head + tail == whole
    assert resumed_end == end


@given(rotations(), st.integers(0, 40))
def test_next_pick_is_choose_asked_until_it_is_not_gated(contenders: list[Contender], before: int) -> None:
    _, state = steps(contenders, SchedulerState(), before)
    answer = choose(contenders, state)
    while isinstance(answer, Gated):
        answer = choose(contenders, answer.state)
    assert next_pick(contenders, state) == answer


@given(rotations(), st.integers(0, 40))
def test_exhausted_exactly_when_nobody_can_ever_run(contenders: list[Contender], before: int) -> None:
    _, state = steps(contenders, SchedulerState(), before)
    somebody = any(c.max_runs is None or state.runs(c.name) < c.max_runs for c in contenders)
    assert isinstance(choose(contenders, state), Exhausted) is not somebody


@given(rotations(max_runs=st.integers(0, 5)))
def test_a_bounded_rotation_runs_each_prompt_max_runs_times_and_is_then_exhausted(
    contenders: list[Contender],
) -> None:
    total = sum(c.max_runs or 0 for c in contenders)
    picked = dispatches(contenders, SchedulerState(), total + 1)
    assert {c.name: picked.count(c.name) for c in contenders} == {c.name: c.max_runs for c in contenders}
    assert len(picked) == total


@given(rotations(max_every=1, max_runs=st.none()).filter(bool), st.integers(1, 200))
def test_shares_converge_to_the_weights(contenders: list[Contender], count: int) -> None:
    """Each prompt has as many runs as its weight earns it, give or take its neighbours' number."""
    picked = dispatches(contenders, SchedulerState(), count)
    total = sum(c.weight for c in contenders)
    for contender in contenders:
        assert abs(picked.count(contender.name) - count * contender.weight / total) < len(contenders)


@given(rotations(max_every=1, max_runs=st.none()).filter(bool), st.integers(1, 6), st.integers(0, 40))
def test_no_prompt_waits_longer_than_its_weight_allows(
    contenders: list[Contender], every: int, before: int
) -> None:
    """Nobody starves among prompts with one gate: the wait is bounded by the share, early or late in a run."""
    gated = [Contender(name=c.name, weight=c.weight, every=every) for c in contenders]
    _, state = steps(gated, SchedulerState(), before)
    total = sum(c.weight for c in gated)
    for contender in gated:
        bound = len(gated) * (total // contender.weight + 2)
        assert contender.name in dispatches(gated, state, bound)


def test_runs_in_other_rotations_weigh_in_so_a_light_gated_prompt_may_wait_for_ever() -> None:
    """The formula of SPEC 3 counts all runs of a candidate, also those of rotations others cannot take part in."""
    contenders = [
        Contender(name="light", every=2),
        Contender(name="heavy", weight=4, every=2),
        Contender(name="always"),
    ]
    assert "light" not in dispatches(contenders, SchedulerState(), 1000)


@given(rotations(), st.integers(0, 40))
def test_who_stands_first_is_who_is_chosen_next(contenders: list[Contender], before: int) -> None:
    _, state = steps(contenders, SchedulerState(), before)
    found = standings(contenders, state)
    first = next((each.name for each in found if each.score is not None), None)
    answer = choose(contenders, state)
    assert first == (answer.name if isinstance(answer, Pick) else None)
    assert sorted(each.name for each in found) == sorted(c.name for c in contenders)


def test_a_standing_says_why() -> None:
    one = Contender(name="one", weight=2)
    two, rare = Contender(name="two"), Contender(name="rare", every=5)
    state = SchedulerState(rotation=3, runs_per_prompt={"one": 1, "two": 2})
    found = [(each.name, each.score, each.runs) for each in standings([two, rare, one], state)]
    assert found == [("one", 3, 1), ("two", -3, 2), ("rare", None, 0)]


@pytest.mark.parametrize(
    ("contender", "said", "spent"),
    [
        (Contender(name="one"), "1 run, weight 1", False),
        (Contender(name="two", weight=3), "2 runs, weight 3", False),
        (Contender(name="rare", every=5), "0 runs, weight 1, every 5", False),
        (Contender(name="one", max_runs=1), "1 of 1 run, weight 1", True),
        (Contender(name="two", max_runs=1), "2 of 1 run, weight 1", True),
        (Contender(name="one", max_runs=4), "1 of 4 runs, weight 1", False),
    ],
)
def test_a_standing_says_its_share_in_words(contender: Contender, said: str, spent: bool) -> None:
    (standing,) = standings([contender], SchedulerState(runs_per_prompt={"one": 1, "two": 2}))
    assert standing.share == said
    assert standing.is_spent is spent
