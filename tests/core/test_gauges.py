"""How much of each budget is used, with what sessions in flight have used so far."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pitboss.core.budget import BudgetSnapshot, Caps
from pitboss.core.gauges import Budget, Gauge, Used, gauge_words, gauges, gauges_of, time_left
from pitboss.core.measures import stamp
from pitboss.core.tone import Tone
from pitboss.core.usage import RoleTokens
from pitboss.core.view import Flight, View

BEGAN = datetime(2026, 5, 1, 22, 0, tzinfo=UTC)
NOW = BEGAN + timedelta(hours=2)


def words(view: View) -> list[str]:
    return [gauge_words(gauge, stamp) for gauge in gauges_of(view, NOW) if not gauge.says_nothing]


def test_what_a_run_used_counts_its_sessions_in_flight() -> None:
    recorded = BudgetSnapshot(iterations=1, tokens_input=900, cost_usd=0.25)
    flights = (Flight(seq=2, tokens=RoleTokens(input=100), cost_usd=0.25), Flight(seq=3))
    seen = View(used=recorded, last_seq=3, in_flight=flights)
    assert words(seen) == ["3 sessions", "$0.50", "1.0k tokens"]
    guess = View(
        used=recorded, last_seq=2, in_flight=(Flight(seq=2, cost_known=False),), caps=Caps(max_cost_usd=1.0)
    )
    assert words(guess) == ["2 sessions", "$0.25+ of $1.00", "900 tokens"]
    assert words(View()) == ["0 sessions"]


def test_amounts_stand_beside_their_caps() -> None:
    caps = Caps(max_iterations=1, max_tokens=1500, max_cost_usd=2.0, until=BEGAN + timedelta(hours=8))
    used = Used.by(BudgetSnapshot(iterations=1, tokens_output=10), cost_known=False, started=1)
    found = gauges(caps, used, started_at=BEGAN, now=NOW)
    assert [gauge.budget for gauge in found] == list(Budget)
    assert [gauge_words(gauge, stamp) for gauge in found] == [
        "1 of 1 session",
        "unknown of $2.00",
        "10 of 1.5k tokens",
        "until 2026-05-02T06:00:00Z",
    ]
    assert [gauge.share for gauge in found] == [1.0, 0.0, pytest.approx(10 / 1500), 0.25]
    assert [gauge.tone for gauge in found] == [Tone.BAD, Tone.WARN, Tone.OK, Tone.OK]
    assert time_left(found[-1]) == "6h00m left"


def test_a_cost_that_is_not_known_says_so_without_a_cap_too() -> None:
    gauge = Gauge(budget=Budget.COST, used=0.0, known=False)
    assert (gauge_words(gauge, stamp), gauge.says_nothing, gauge.tone) == ("cost unknown", False, Tone.QUIET)


def test_time_without_a_cap_is_how_long_the_run_has_taken() -> None:
    gauge = gauges_of(View(started_at=BEGAN), NOW)[-1]
    assert (gauge_words(gauge, stamp), gauge.share, gauge.says_nothing) == ("2h00m", None, True)


@pytest.mark.parametrize(
    ("used", "cap", "tone"), [(7, 10, Tone.OK), (8, 10, Tone.WARN), (10, 10, Tone.BAD), (0, 0, Tone.BAD)]
)
def test_the_tone_of_a_gauge_warns_from_eighty_percent_on(used: float, cap: float, tone: Tone) -> None:
    assert Gauge(budget=Budget.SESSIONS, used=used, cap=cap).tone is tone
