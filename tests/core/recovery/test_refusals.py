"""Going on with a run that has used up its caps: what is said, and that what is advised works (SPEC 4, 7)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.budget import BudgetSnapshot, Caps
from pitboss.core.deadline import parse_span
from pitboss.core.recovery.refusals import refuse_used_up, resume_command
from pitboss.errors import CapReached
from tests.support.values import STARTED, flying, run_state, usd

HOUR = timedelta(hours=1)
USED = BudgetSnapshot(iterations=3, tokens_input=60, tokens_output=40, cost_usd=0.5)


@pytest.mark.parametrize(
    "caps",
    [
        Caps(),
        Caps(max_iterations=4, max_tokens=101, max_cost_usd=0.51, until=STARTED + 2 * HOUR),
    ],
)
def test_a_run_with_something_left_may_go_on(caps: Caps) -> None:
    refuse_used_up(run_state(), caps, USED, STARTED + HOUR)


@pytest.mark.parametrize(
    ("caps", "said", "more", "lifted"),
    [
        (
            Caps(max_iterations=3),
            "max-iterations reached: 3 >= 3",
            "--max-iterations 6",
            "--max-iterations none",
        ),
        (
            Caps(max_iterations=0),
            "max-iterations reached: 3 >= 0",
            "--max-iterations 4",
            "--max-iterations none",
        ),
        (Caps(max_tokens=80), "max-tokens reached: 100 >= 80", "--max-tokens 180", "--max-tokens none"),
        (
            Caps(max_cost_usd=0.5),
            "max-cost reached: $0.5000 >= $0.5000",
            "--max-cost 1.00",
            "--max-cost none",
        ),
        (
            Caps(until=STARTED + HOUR / 2),
            "until reached: 2026-04-30T18:00:00Z >= 2026-04-30T17:30:00Z",
            "--until 30m",
            "--until none",
        ),
        (
            Caps(max_iterations=2, max_cost_usd=0.25),
            "max-iterations reached: 3 >= 2; max-cost reached: $0.5000 >= $0.2500",
            "--max-iterations 5 --max-cost 0.75",
            "--max-iterations none --max-cost none",
        ),
    ],
)
def test_a_run_at_its_caps_is_refused_with_the_commands_that_lift_them(
    caps: Caps, said: str, more: str, lifted: str
) -> None:
    with pytest.raises(CapReached) as refusal:
        refuse_used_up(run_state(), caps, USED, STARTED + HOUR)
    assert str(refusal.value) == f"run rid is still at its cap: {said}"
    assert refusal.value.hint == (
        f"`pitboss grind --resume rid {more}` goes on with as much again, `{lifted}` without that cap"
    )


def test_a_larger_cap_is_not_hinted_at_where_nothing_is_left_to_do() -> None:
    with pytest.raises(CapReached) as refusal:
        refuse_used_up(run_state(), Caps(max_iterations=3), USED, STARTED, nothing_left=lambda: True)
    hint = "a larger cap would not help, no prompt has a turn left: `pitboss grind` starts a new run"
    assert refusal.value.hint == hint


def test_what_a_refused_run_has_in_flight_can_be_settled_all_the_same() -> None:
    with pytest.raises(CapReached) as refusal:
        refuse_used_up(run_state(in_flight=(flying(4),)), Caps(max_iterations=3), USED, STARTED)
    assert (refusal.value.hint or "").endswith("; `pitboss repair rid` settles what was in flight")


def test_the_command_that_goes_on_names_only_caps_that_are_used_up() -> None:
    caps = Caps(max_iterations=3, max_cost_usd=9.0)
    assert resume_command(run_state(caps=caps)) == "pitboss grind --resume rid --max-iterations 6"
    assert resume_command(run_state(caps=Caps(max_cost_usd=9.0))) == "pitboss grind --resume rid"
    assert resume_command(run_state(caps=None)) == "pitboss grind --resume rid", "a run of an older version"


@given(
    caps=st.builds(
        Caps,
        max_iterations=st.none() | st.integers(0, 9),
        max_tokens=st.none() | st.integers(0, 9),
        max_cost_usd=st.none() | usd,
        until=st.none() | st.integers(0, 9).map(lambda hours: STARTED + hours * HOUR),
    ),
    used=st.builds(
        BudgetSnapshot, iterations=st.integers(0, 9), tokens_input=st.integers(0, 9), cost_usd=usd
    ),
    hours=st.integers(0, 9),
)
def test_the_caps_that_are_advised_let_the_run_go_on(caps: Caps, used: BudgetSnapshot, hours: int) -> None:
    now = STARTED + hours * HOUR
    words = resume_command(run_state(caps=caps, budget_consumed=used, last_updated_at=now)).split()[4:]
    advised = dict(zip(words[::2], words[1::2], strict=True))
    until_s = parse_span(advised.get("--until", "99h"))
    assert until_s is not None, "--until takes it"
    refuse_used_up(
        run_state(),
        Caps(
            max_iterations=int(advised.get("--max-iterations", "99")),
            max_tokens=int(advised.get("--max-tokens", "99")),
            max_cost_usd=float(advised.get("--max-cost", "99")),
            until=now + timedelta(seconds=until_s),
        ),
        used,
        now,
    )
