"""Caps: what forbids a session, in which order and words, and what warns before (SPEC 4)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.budget import (
    BudgetSnapshot,
    CapChanges,
    Caps,
    Exceeded,
    PromptSpend,
    exceeded,
    expected_cost,
    fits,
    layer,
    nearing,
    used_up,
    warned_before,
)
from tests.support.values import usd

if TYPE_CHECKING:
    from collections.abc import Sequence

NOW = datetime(2026, 4, 30, 23, 30, tzinfo=UTC)
STARTED = NOW - timedelta(hours=8)
EVERYTHING_USED = BudgetSnapshot(iterations=3, tokens_input=60, tokens_output=40, cost_usd=1.2)
ALL_CAPS = Caps(max_iterations=3, until=NOW, max_tokens=100, max_cost_usd=1.0)

caps = st.builds(
    Caps,
    max_iterations=st.none() | st.integers(0, 20),
    until=st.none() | st.integers(-5, 5).map(lambda h: NOW + timedelta(hours=h)),
    max_tokens=st.none() | st.integers(0, 200),
    max_cost_usd=st.none() | st.integers(0, 40).map(lambda quarters: quarters / 4),
)
snapshots = st.builds(
    BudgetSnapshot,
    iterations=st.integers(0, 20),
    tokens_input=st.integers(0, 100),
    tokens_output=st.integers(0, 100),
    cost_usd=st.integers(0, 40).map(lambda quarters: quarters / 4),
)


@pytest.mark.parametrize(
    ("limits", "used", "said"),
    [
        (Caps(max_iterations=3), BudgetSnapshot(iterations=3), "max-iterations reached: 3 >= 3"),
        (Caps(max_iterations=0), BudgetSnapshot(), "max-iterations reached: 0 >= 0"),
        (
            Caps(until=NOW - timedelta(seconds=1)),
            BudgetSnapshot(),
            "until reached: 2026-04-30T23:30:00Z >= 2026-04-30T23:29:59Z",
        ),
        (
            Caps(max_tokens=100),
            BudgetSnapshot(tokens_input=60, tokens_output=41),
            "max-tokens reached: 101 >= 100",
        ),
        (Caps(max_cost_usd=1.0), BudgetSnapshot(cost_usd=1.2), "max-cost reached: $1.2000 >= $1.0000"),
        (Caps(max_cost_usd=0.0), BudgetSnapshot(), "max-cost reached: $0.0000 >= $0.0000"),
    ],
)
def test_message_of_each_cap_to_the_letter(limits: Caps, used: BudgetSnapshot, said: str) -> None:
    stop = exceeded(limits, used, now=NOW)
    assert stop is not None
    assert (stop.cap, stop.message) == (said.partition(" ")[0], said)


@pytest.mark.parametrize(
    ("limits", "used"),
    [
        (Caps(max_iterations=3), BudgetSnapshot(iterations=2)),
        (Caps(until=NOW + timedelta(microseconds=1)), BudgetSnapshot()),
        (Caps(max_tokens=100), BudgetSnapshot(tokens_input=60, tokens_output=39)),
        (Caps(max_cost_usd=1.0), BudgetSnapshot(cost_usd=0.9999999)),
        (Caps(), BudgetSnapshot(iterations=10**9, tokens_input=10**12, cost_usd=1e9)),
    ],
    ids=["iterations", "until", "tokens", "cost", "no caps"],
)
def test_just_below_a_cap_one_more_session_may_start(limits: Caps, used: BudgetSnapshot) -> None:
    assert exceeded(limits, used, now=NOW) is None


def test_caps_are_checked_in_the_order_iterations_until_tokens_cost() -> None:
    order = []
    limits = ALL_CAPS
    while stop := exceeded(limits, EVERYTHING_USED, now=NOW):
        order.append(stop.cap)
        field = {"until": "until"}.get(
            stop.cap, stop.cap.replace("-", "_").replace("max_cost", "max_cost_usd")
        )
        limits = Caps(**{f: getattr(limits, f) for f in Caps.__struct_fields__ if f != field})
    assert order == ["max-iterations", "until", "max-tokens", "max-cost"]


def test_with_eight_slots_and_three_iterations_left_three_sessions_start() -> None:
    limits, used = Caps(max_iterations=10), BudgetSnapshot(iterations=7)
    allowed = [n for n in range(8) if exceeded(limits, used, now=NOW, in_flight=n) is None]
    assert allowed == [0, 1, 2]


def test_sessions_in_flight_count_as_nothing_but_iterations() -> None:
    limits = Caps(until=NOW + timedelta(hours=1), max_tokens=1, max_cost_usd=0.01)
    assert exceeded(limits, BudgetSnapshot(), now=NOW, in_flight=8) is None


@given(caps, snapshots, st.integers(0, 8))
def test_a_cap_once_reached_stays_reached(limits: Caps, used: BudgetSnapshot, in_flight: int) -> None:
    if exceeded(limits, used, now=NOW, in_flight=in_flight) is None:
        return
    later = BudgetSnapshot(
        iterations=used.iterations + in_flight,
        tokens_input=used.tokens_input,
        tokens_output=used.tokens_output + 1,
        cost_usd=used.cost_usd + 0.25,
    )
    assert exceeded(limits, later, now=NOW + timedelta(hours=1)) is not None


def test_a_later_layer_wins_field_by_field_where_it_says_something() -> None:
    config = Caps(max_iterations=10, max_tokens=1000, max_cost_usd=5.0)
    rotation = Caps(max_iterations=20, until=NOW)
    flags = Caps(max_cost_usd=0.0)
    assert layer(config, rotation, flags) == Caps(
        max_iterations=20, until=NOW, max_tokens=1000, max_cost_usd=0.0
    )


@given(st.lists(caps, max_size=4), st.lists(caps, max_size=4))
def test_layering_is_associative_and_empty_caps_say_nothing(low: list[Caps], high: list[Caps]) -> None:
    assert layer(*low, *high) == layer(layer(*low), layer(*high))
    assert layer(*low, Caps()) == layer(*low)


@pytest.mark.parametrize(
    ("used", "warned"),
    [(0, False), (7, False), (8, True), (9, True), (10, False), (11, False)],
)
def test_iterations_warn_from_80_percent_until_the_cap_is_reached(used: int, warned: bool) -> None:
    found = nearing(
        Caps(max_iterations=10), BudgetSnapshot(iterations=used), started_at=STARTED, now=NOW, warned=()
    )
    said = [Exceeded(cap="max-iterations", message=f"max-iterations at 80%: {used} of 10")]
    assert found == (said if warned else [])


@pytest.mark.parametrize(
    ("limits", "used", "messages"),
    [
        (
            Caps(until=NOW + timedelta(hours=2)),
            BudgetSnapshot(),
            ["until at 80%: 2026-04-30T23:30:00Z of 2026-05-01T01:30:00Z"],
        ),
        (Caps(until=NOW + timedelta(hours=2, seconds=1)), BudgetSnapshot(), []),
        (Caps(until=NOW), BudgetSnapshot(), []),
        (
            Caps(max_tokens=10),
            BudgetSnapshot(tokens_input=4, tokens_output=4),
            ["max-tokens at 80%: 8 of 10"],
        ),
        (Caps(max_tokens=10), BudgetSnapshot(tokens_input=4, tokens_output=3), []),
        (Caps(max_tokens=10), BudgetSnapshot(tokens_input=10), []),
        (Caps(max_cost_usd=2.5), BudgetSnapshot(cost_usd=2.0), ["max-cost at 80%: $2.00 of $2.50"]),
        (Caps(max_cost_usd=2.5), BudgetSnapshot(cost_usd=1.9999), []),
        (Caps(max_cost_usd=2.5), BudgetSnapshot(cost_usd=2.5), []),
        (Caps(), BudgetSnapshot(iterations=99), []),
    ],
)
def test_warning_of_each_cap_at_its_boundary(
    limits: Caps, used: BudgetSnapshot, messages: Sequence[str]
) -> None:
    found = nearing(limits, used, started_at=STARTED, now=NOW)
    assert [warning.message for warning in found] == list(messages)


@given(caps, st.lists(snapshots, min_size=1, max_size=10))
def test_each_cap_warns_once_in_a_run(limits: Caps, progress: list[BudgetSnapshot]) -> None:
    warned: list[str] = []
    for used in progress:
        warned += [w.cap for w in nearing(limits, used, started_at=STARTED, now=NOW, warned=warned)]
    assert len(warned) == len(set(warned))


@pytest.mark.parametrize(
    ("kept", "now", "warned"),
    [
        (
            Caps(max_iterations=10, max_cost_usd=5.0),
            Caps(max_iterations=10, max_cost_usd=5.0),
            {"max-iterations"},
        ),
        (Caps(max_iterations=10), Caps(max_iterations=9), set()),
        (Caps(max_iterations=10), Caps(), set()),
        (Caps(), Caps(max_iterations=10), set()),
        (Caps(until=NOW + timedelta(hours=1)), Caps(until=NOW + timedelta(hours=1)), {"until"}),
        (Caps(max_cost_usd=2.2, max_tokens=9), Caps(max_cost_usd=2.2, max_tokens=11), {"max-cost"}),
    ],
)
def test_a_resumed_run_has_warned_of_caps_that_were_near_and_are_the_same(
    kept: Caps, now: Caps, warned: set[str]
) -> None:
    used = BudgetSnapshot(iterations=8, tokens_input=8, cost_usd=2.0)
    assert warned_before(now, kept, used, started_at=STARTED, now=NOW) == warned


@pytest.mark.parametrize(("times", "each", "cap"), [(10, 0.1, 1.0), (3, 0.7, 2.1), (100, 0.01, 1.0)])
def test_a_cost_that_adds_up_to_its_cap_reaches_it(times: int, each: float, cap: float) -> None:
    """Such sums of floats may be a little less."""
    used, before = (BudgetSnapshot(cost_usd=sum([each] * count)) for count in (times, times - 1))
    over = exceeded(Caps(max_cost_usd=cap), used, now=NOW)
    assert over is not None
    assert over.message == f"max-cost reached: ${cap:.4f} >= ${cap:.4f}"
    assert nearing(Caps(max_cost_usd=cap), used, started_at=STARTED, now=NOW) == []
    assert exceeded(Caps(max_cost_usd=cap), before, now=NOW) is None


@given(caps, snapshots)
def test_no_cap_is_near_and_used_up_at_once(limits: Caps, used: BudgetSnapshot) -> None:
    stop = exceeded(limits, used, now=NOW)
    near = {warning.cap for warning in nearing(limits, used, started_at=STARTED, now=NOW)}
    assert stop is None or stop.cap not in near


SPENT = {
    "cheap": PromptSpend(sessions=3, cost_usd=0.3),
    "dear": PromptSpend(sessions=1, cost_usd=1.7),
    "unbilled": PromptSpend(),
}


@pytest.mark.parametrize(
    ("prompt", "cost"), [("cheap", 0.1), ("dear", 1.7), ("unbilled", 0.5), ("never seen", 0.5)]
)
def test_a_session_is_expected_to_cost_its_prompts_mean_or_else_the_mean_of_all(
    prompt: str, cost: float
) -> None:
    assert expected_cost(SPENT, prompt) == pytest.approx(cost)


def test_before_any_session_is_billed_nothing_is_expected() -> None:
    assert expected_cost({}, "cheap") == 0.0
    assert expected_cost({"cheap": PromptSpend()}, "cheap") == 0.0


@pytest.mark.parametrize(
    ("cap", "used", "in_flight", "following", "room"),
    [
        (None, 1e9, 1e9, 1e9, True),
        (0.3, 0.1, 0.1, 0.1, True),
        (0.3, 0.0, 0.1 + 0.1, 0.1, True),
        (0.3, 0.1, 0.1, 0.1001, False),
        (1.0, 0.5, 0.0, 0.5, True),
        (1.0, 0.5, 0.5, 0.0, True),
        (1.0, 0.5, 0.25, 0.5, False),
        (0.0, 0.0, 0.0, 0.0, True),
        (0.0, 0.0, 0.0, 0.0001, False),
    ],
)
def test_one_more_fits_while_what_all_of_them_may_cost_is_under_the_cap(
    cap: float | None, used: float, in_flight: float, following: float, room: bool
) -> None:
    assert fits(Caps(max_cost_usd=cap), BudgetSnapshot(cost_usd=used), in_flight, following) is room


@given(usd, usd, usd)
def test_what_one_estimate_fills_exactly_fits_in_whatever_order_it_is_added(
    used: float, in_flight: float, following: float
) -> None:
    cap = Caps(max_cost_usd=following + (in_flight + used))
    assert fits(cap, BudgetSnapshot(cost_usd=used), in_flight, following)
    assert not fits(cap, BudgetSnapshot(cost_usd=used), in_flight, following + 0.01)


@pytest.mark.parametrize(
    ("limits", "used", "more"),
    [
        (Caps(max_iterations=3), BudgetSnapshot(iterations=3), ["--max-iterations 6"]),
        (Caps(max_iterations=0), BudgetSnapshot(), ["--max-iterations 1"]),
        (Caps(until=NOW - timedelta(minutes=30)), BudgetSnapshot(), ["--until 7h30m"]),
        (Caps(until=NOW - timedelta(hours=9)), BudgetSnapshot(), ["--until 1h"]),
        (Caps(max_tokens=100), BudgetSnapshot(tokens_input=60, tokens_output=41), ["--max-tokens 201"]),
        (Caps(max_cost_usd=1.0), BudgetSnapshot(cost_usd=1.205), ["--max-cost 2.21"]),
        (Caps(max_cost_usd=0.0), BudgetSnapshot(), ["--max-cost 1.00"]),
        (
            Caps(max_iterations=1, max_tokens=9, max_cost_usd=9.0),
            BudgetSnapshot(iterations=1, tokens_output=9),
            ["--max-iterations 2", "--max-tokens 18"],
        ),
        (Caps(max_iterations=1), BudgetSnapshot(), []),
    ],
)
def test_every_cap_that_is_used_up_comes_with_the_option_for_as_much_again(
    limits: Caps, used: BudgetSnapshot, more: list[str]
) -> None:
    over = used_up(limits, used, now=NOW, started_at=NOW - timedelta(hours=8))
    assert [each.more for each in over] == more


@pytest.mark.parametrize("cap", Caps.__struct_fields__)
def test_a_cap_that_is_lifted_is_gone_and_the_others_stay(cap: str) -> None:
    whole = Caps(max_iterations=1, until=NOW, max_tokens=2, max_cost_usd=3.0)
    left = CapChanges(**{cap: None}).over(whole)
    assert getattr(left, cap) is None
    assert layer(left, Caps(**{cap: getattr(whole, cap)})) == whole
    assert CapChanges().over(whole) == whole
    assert CapChanges(max_iterations=4).over(whole) == Caps(
        max_iterations=4, until=NOW, max_tokens=2, max_cost_usd=3.0
    )
