"""What a run has spent, held against its caps: by records alone, or with what is in flight (SPEC 4)."""

from __future__ import annotations

from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING

import msgspec
import pytest

from pitboss.core.budget import BudgetSnapshot, Caps, PromptSpend
from pitboss.core.choosers.scripted import ScriptedChooser
from pitboss.core.session import Outcome, Progress, SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import Usage
from pitboss.engine.journal import Journal
from pitboss.engine.meter import Meter
from pitboss.engine.spending import Spending
from pitboss.store.rundir import RunDir
from tests.support.values import STARTED, flying, fresh_run, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pitboss.core.run import RunState

NOW = STARTED + timedelta(hours=1)
IN_FLIGHT = fresh_run(
    budget_consumed=BudgetSnapshot(iterations=0, cost_usd=0.5),
    in_flight=(flying(1),),
    spend_per_prompt={
        "alpha": PromptSpend(sessions=2, cost_usd=0.5),
        "bravo": PromptSpend(sessions=1, cost_usd=1.0),
    },
)


@pytest.fixture
def spending(tmp_path: Path) -> Iterator[Callable[..., Spending]]:
    with RunDir.create(tmp_path, IN_FLIGHT) as rundir:

        def build(*, hard: bool = False, state: RunState = IN_FLIGHT, **caps: object) -> Spending:
            limits = Caps(**caps)  # type: ignore[arg-type]
            journal = Journal(rundir, state, ScriptedChooser(()), lambda: NOW)
            return Spending(limits, Meter(), journal, lambda: NOW, hard=hard)

        yield build


def test_what_is_in_flight_counts_as_a_session_but_costs_nothing_yet(
    spending: Callable[..., Spending],
) -> None:
    over = spending(max_iterations=1).cap_reached()
    assert over is not None
    assert over.message == "max-iterations reached: 1 >= 1"
    cheap = spending(max_cost_usd=1.0)
    cheap.show(1, Usage(cost_usd=2.0))
    assert (cheap.cap_reached(), cheap.stop_session()) == (None, None)


@pytest.mark.parametrize(
    ("cap", "message"),
    [
        ({"max_cost_usd": 1.0}, "max-cost reached: $1.2500 >= $1.0000"),
        ({"max_tokens": 150}, "max-tokens reached: 150 >= 150"),
    ],
)
def test_a_session_whose_agent_is_done_counts_before_its_record_is_written(
    spending: Callable[..., Spending], cap: dict[str, float], message: str
) -> None:
    used = Usage(input=100, output=50, cost_usd=0.75)
    done = Outcome(status=SessionStatus.OK, ended_at=NOW).bill("implementer", used)
    landing = msgspec.structs.replace(flying(1), progress=Progress(outcome=done))
    assert spending(**cap).cap_reached() is None
    over = spending(state=msgspec.structs.replace(IN_FLIGHT, in_flight=(landing,)), **cap).cap_reached()
    assert over is not None
    assert over.message == message


def test_with_hard_budgets_what_is_in_flight_counts_and_ends_it(spending: Callable[..., Spending]) -> None:
    hard = spending(hard=True, max_cost_usd=1.0)
    assert (hard.cap_reached(), hard.stop_session()) == (None, None)
    hard.show(1, Usage(cost_usd=0.5))
    over = hard.cap_reached()
    assert over is not None
    assert over.message == "max-cost reached: $1.0000 >= $1.0000"
    assert hard.stop_session() is StopRequest.RUN_CAP
    hard.show(1, None)
    assert hard.cap_reached() is None


def test_a_session_that_runs_out_of_time_is_no_failure_of_its_own(spending: Callable[..., Spending]) -> None:
    late = spending(hard=True, until=NOW)
    assert late.is_past_end()
    assert late.stop_session() is StopRequest.ABORT
    assert late.until_end_s() == 0.0
    assert spending(hard=True, until=NOW + timedelta(seconds=9)).until_end_s() == 9.0
    assert spending(hard=True).until_end_s() == inf
    assert spending(until=NOW).until_end_s() == inf, "it ends no session in flight"
    assert not spending(until=NOW + timedelta(seconds=1)).is_past_end()
    assert not spending().is_past_end()


@pytest.mark.parametrize(
    ("cap", "alpha", "bravo"),
    [(None, True, True), (1.0, True, False), (0.9, False, False), (1.75, True, True)],
)
def test_a_session_fits_if_all_in_flight_may_cost_what_their_prompts_cost_so_far(
    spending: Callable[..., Spending], cap: float | None, *, alpha: bool, bravo: bool
) -> None:
    """0.50 is spent, 0.25 is expected of alpha in flight; one more is expected to cost 0.25, or 1.00."""
    held = spending(max_cost_usd=cap)
    assert (held.fits("alpha"), held.fits("bravo")) == (alpha, bravo)


def test_what_sessions_cost_counts_before_the_record_of_an_earlier_one_is_there(tmp_path: Path) -> None:
    state = fresh_run(in_flight=tuple(flying(seq) for seq in (1, 2, 3)))
    with RunDir.create(tmp_path, state) as rundir:
        journal = Journal(rundir, state, ScriptedChooser(()), lambda: NOW)
        held = Spending(Caps(max_cost_usd=3.5), Meter(), journal, lambda: NOW, hard=False)
        assert held.fits("alpha")
        for seq in (2, 3):
            journal.replayed(record(seq, prompt="alpha", cost_usd=1.0))
    assert (journal.state.last_session_seq, journal.consumed.cost_usd) == (0, 2.0)
    assert not held.fits("alpha")  # 2.00 are spent, 1.00 is expected of session 1, and 1.00 of the next one


@pytest.mark.parametrize(("hard", "left"), [(False, None), (True, 0.2)])
def test_a_session_may_cost_what_a_hard_cap_of_the_run_leaves(
    spending: Callable[..., Spending], left: float | None, *, hard: bool
) -> None:
    held = spending(hard=hard, max_cost_usd=1.0)
    held.show(2, Usage(cost_usd=0.2))
    assert held.left_usd(1, billed_usd=0.1) == (None if left is None else pytest.approx(left))
    held.show(2, Usage(cost_usd=2.0))
    assert held.left_usd(1, billed_usd=0.1) == (None if left is None else 0.0)
    assert spending(hard=hard).left_usd(1, billed_usd=0.1) is None


def test_other_caps_count_from_the_next_look_on_for_sessions_in_flight_too(
    spending: Callable[..., Spending],
) -> None:
    held = spending(hard=True)
    held.show(1, Usage(cost_usd=0.5))
    assert (held.cap_reached(), held.stop_session(), held.caps) == (None, None, Caps())
    held.hold_to(Caps(max_cost_usd=1.0))
    assert (held.stop_session(), held.caps_cost) == (StopRequest.RUN_CAP, True)
    held.hold_to(Caps(max_cost_usd=2.0, until=NOW))
    assert (held.stop_session(), held.is_past_end()) == (StopRequest.ABORT, True)
    held.hold_to(Caps(max_cost_usd=2.0))
    assert (held.stop_session(), held.cap_reached()) == (None, None)
    assert held.left_usd(1, billed_usd=0.5) == pytest.approx(1.0)


def test_each_cap_is_warned_of_once_and_again_after_it_has_changed(spending: Callable[..., Spending]) -> None:
    held = spending(max_cost_usd=0.6)
    assert [each.message for each in held.take_warnings()] == ["max-cost at 80%: $0.50 of $0.60"]
    assert held.take_warnings() == []
    held.hold_to(Caps(max_cost_usd=0.55))
    assert [each.message for each in held.take_warnings()] == ["max-cost at 80%: $0.50 of $0.55"]
    held.hold_to(Caps(max_cost_usd=0.55, max_tokens=9))
    assert held.take_warnings() == []
    held.hold_to(Caps(max_cost_usd=1.0))
    assert held.take_warnings() == []
