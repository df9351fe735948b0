"""What tokens cost, and when nobody knows (SPEC 4)."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.config import Price
from pitboss.core.usage import CostSource, Usage
from pitboss.pricing import table_version, with_cost

PLAIN = Price(input_per_million_usd=2.0, output_per_million_usd=8.0)
CACHED = Price(
    input_per_million_usd=2.0,
    output_per_million_usd=8.0,
    cache_read_per_million_usd=0.5,
    cache_write_per_million_usd=4.0,
)
MILLIONS = Usage(input=4_000_000, output=1_000_000, cache_read=2_000_000, cache_write=1_000_000)
LISTED = "claude-sonnet-4-5"


def price(usage: Usage, model: str | None, pricing: dict[str, Price]) -> float | None:
    """What `usage` costs in US dollars; None when nobody knows."""
    priced = with_cost(usage, model, pricing)
    return priced.cost_usd if priced.cost_known else None


@pytest.mark.parametrize(
    ("configured", "expected"),
    [
        pytest.param(PLAIN, 4 * 2.0 + 8.0, id="cached tokens at the input price"),
        pytest.param(CACHED, 2.0 + 2 * 0.5 + 4.0 + 8.0, id="cached tokens at their own price"),
    ],
)
def test_configured_prices(configured: Price, expected: float) -> None:
    assert price(MILLIONS, "m", {"m": configured}) == pytest.approx(expected)


def test_the_exact_name_wins_and_then_the_longest_one_the_model_starts_with() -> None:
    def flat(usd: float) -> Price:
        return Price(input_per_million_usd=0.0, output_per_million_usd=usd)

    prices = {"model": flat(1.0), "model-large": flat(2.0), "model-large-2": flat(3.0)}
    used = Usage(output=1_000_000)
    asked = ["model", "model-small", "model-large", "model-large-1", "model-large-2", "model-large-20"]
    assert [price(used, name, prices) for name in asked] == [1.0, 1.0, 2.0, 2.0, 3.0, 3.0]


def test_a_configured_price_wins_over_the_public_table() -> None:
    assert price(Usage(output=1_000_000), LISTED, {LISTED: PLAIN}) == 8.0


def test_the_public_table_prices_cached_tokens_as_cached() -> None:
    """The cost that Claude Code itself reported for these tokens."""
    used = Usage(input=2840, output=34, cache_read=1300, cache_write=340)
    assert price(used, LISTED, {}) == pytest.approx(0.005775)
    assert price(used, f"{LISTED}-20250929", {}) == pytest.approx(0.005775)


def test_a_sum_of_many_requests_is_not_taken_for_one_long_one() -> None:
    used = Usage(input=2840, output=34, cache_read=1300, cache_write=340)
    total = sum([used] * 1000, Usage())
    assert price(total, LISTED, {}) == pytest.approx(5.775)


@given(
    st.builds(
        Usage, input=st.integers(0, 10**9), output=st.integers(0, 10**9), cache_read=st.integers(0, 10**9)
    )
)
def test_counts_that_contradict_each_other_are_priced_and_not_raised(used: Usage) -> None:
    by_table, by_config = price(used, LISTED, {}), price(used, "m", {"m": CACHED})
    assert by_table is not None
    assert by_config is not None
    anything = used.has_tokens
    assert (by_table > 0, by_config > 0) == (anything, anything)
    assert min(by_table, by_config) >= 0


@pytest.mark.parametrize("model", [None, "", "nobody-sells-this", "claude", "a/b/c"])
def test_a_model_that_nobody_has_a_price_for_is_unknown(model: str | None) -> None:
    assert price(MILLIONS, model, {"other": PLAIN}) is None
    assert with_cost(MILLIONS, model, {}).cost_known is False


def test_tokens_of_no_named_model_have_the_price_that_people_are_told_to_set() -> None:
    without = with_cost(MILLIONS, None, {})
    assert without.unpriced is not None
    assert price(MILLIONS, None, {without.unpriced: PLAIN, "other": CACHED}) == 16.0
    assert price(MILLIONS, "nobody-sells-this", {without.unpriced: PLAIN}) is None
    assert with_cost(MILLIONS, None, {without.unpriced: PLAIN}, reported_usd=0.5).cost_usd == 0.5


def test_what_the_agent_reported_comes_before_any_price() -> None:
    assert with_cost(MILLIONS, LISTED, {LISTED: PLAIN}, reported_usd=0.125).cost_usd == 0.125
    assert with_cost(MILLIONS, None, {}, reported_usd=0.0).cost_known is True


def test_no_tokens_cost_nothing_and_that_is_known() -> None:
    assert with_cost(Usage(), None, {}) == Usage(cost_usd=0.0, cost_known=True)


@pytest.mark.parametrize(
    ("prefixed", "plain"),
    [
        ("openai/gpt-4o", "gpt-4o"),
        ("anthropic/claude-sonnet-4-5", LISTED),
        ("gemini/gemini-2.5-pro", "gemini-2.5-pro"),
    ],
)
def test_a_model_with_its_vendor_in_front_is_priced_by_that_vendor(prefixed: str, plain: str) -> None:
    used = Usage(input=1000, output=100, cache_read=500)
    assert price(used, prefixed, {}) == price(used, plain, {}) != 0.0


def test_a_model_of_a_vendor_that_the_table_does_not_know_is_unknown_whatever_its_name() -> None:
    assert price(MILLIONS, f"my-own-proxy/{LISTED}", {}) is None


def test_it_is_told_whose_price_it_is() -> None:
    used = Usage(input=10)
    assert with_cost(used, "m", {"m": PLAIN}).cost_source is CostSource.CONFIGURED
    assert with_cost(used, LISTED, {}).cost_source is CostSource.PRICE_TABLE
    assert with_cost(used, "m", {"m": PLAIN}, reported_usd=1.0).cost_source is CostSource.AGENT
    assert with_cost(used, "nobody-sells-this", {}).cost_source is CostSource.UNKNOWN
    assert with_cost(Usage(), "nobody-sells-this", {}).cost_source is CostSource.AGENT


def test_the_age_of_the_public_table_is_a_day_that_has_been() -> None:
    table = table_version()
    assert table.checked is not None
    assert "2026-01-01" < table.checked <= datetime.now(UTC).date().isoformat()
    assert table.release[0].isdigit()


def test_writes_that_are_kept_for_an_hour_cost_more_than_others() -> None:
    used = Usage(input=1_000_000, cache_write=1_000_000)
    hour = msgspec.structs.replace(used, cache_write_1h=1_000_000)
    half = msgspec.structs.replace(used, cache_write_1h=500_000)
    assert price(used, "claude-sonnet-4-5", {}) == pytest.approx(3.75)
    assert price(hour, "claude-sonnet-4-5", {}) == pytest.approx(6.0)
    assert price(half, "claude-sonnet-4-5", {}) == pytest.approx(4.875)
    told = Price(input_per_million_usd=3.0, output_per_million_usd=15.0, cache_write_per_million_usd=4.0)
    assert price(half, "m", {"m": told}) == pytest.approx(2.0 + 3.2)
    bare = Price(input_per_million_usd=3.0, output_per_million_usd=15.0)
    assert price(half, "m", {"m": bare}) == pytest.approx(1.5 + 3.0)
