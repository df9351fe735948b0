"""Amounts add up, and unknown stays unknown (SPEC 1.5)."""

from __future__ import annotations

import sys

from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.usage import MOST_TOKENS, CostSource, Usage
from tests.support.values import usd

counts = st.integers(0, 10**9)
usages = st.builds(
    Usage,
    input=counts,
    output=counts,
    cache_read=counts,
    cache_write=counts,
    cache_write_1h=counts,
    cost_usd=usd,
    cost_known=st.booleans(),
    priced_by=st.sampled_from(CostSource),
)


def test_usage_adds_field_by_field() -> None:
    first = Usage(input=10, output=2, cache_read=4, cache_write=1, cost_usd=0.25)
    second = Usage(input=1, output=1, cache_read=1, cache_write=1, cost_usd=0.5, cost_known=False)
    assert first + second == Usage(
        input=11, output=3, cache_read=5, cache_write=2, cost_usd=0.75, cost_known=False
    )


@given(usages)
def test_nothing_added_changes_nothing(usage: Usage) -> None:
    assert usage + Usage() == usage == Usage() + usage


@given(usages, usages)
def test_one_unknown_cost_makes_the_sum_a_lower_bound(first: Usage, second: Usage) -> None:
    assert (first + second).cost_known is (first.cost_known and second.cost_known)
    assert first + second == second + first


def test_sums_stop_at_what_every_reader_can_hold() -> None:
    dear = sys.float_info.max
    most = Usage(
        input=MOST_TOKENS, output=MOST_TOKENS, cache_read=MOST_TOKENS, cache_write=MOST_TOKENS, cost_usd=dear
    )
    assert most + most == most


@given(usages)
def test_tokens_were_used_when_any_went_in_or_came_out(usage: Usage) -> None:
    assert usage.has_tokens is (usage.input + usage.output > 0)


def test_what_a_usage_has_beyond_another_is_never_negative_and_has_no_cost() -> None:
    whole = Usage(input=10, output=3, cache_read=4, cache_write=1, cost_usd=1.0)
    part = Usage(input=7, output=5, cache_read=4, cost_usd=0.5)
    assert whole.beyond(part) == Usage(input=3, cache_write=1)


def test_counts_that_only_grow_are_at_least_what_they_were() -> None:
    one = Usage(input=10, output=3, cache_read=4, cost_usd=1.0)
    other = Usage(input=7, output=5, cache_write=2)
    assert one.at_least(other) == Usage(input=10, output=5, cache_read=4, cache_write=2)


def test_the_least_sure_source_speaks_for_a_sum_of_costs() -> None:
    agent, configured, listed, unknown = (Usage(priced_by=source) for source in CostSource)
    assert (agent + configured).cost_source is CostSource.CONFIGURED
    assert (listed + configured).cost_source is CostSource.PRICE_TABLE
    assert (unknown + listed + agent).cost_source is CostSource.UNKNOWN
    assert (Usage(cost_known=False) + agent).cost_source is CostSource.UNKNOWN


def test_where_nothing_was_used_no_source_is_unsure() -> None:
    assert Usage().cost_source is CostSource.AGENT


def test_writes_kept_for_an_hour_are_counted_apart() -> None:
    one, other = (
        Usage(input=9, cache_write=5, cache_write_1h=3),
        Usage(input=4, cache_write=2, cache_write_1h=2),
    )
    assert (one + other).cache_write_1h == 5
    assert one.beyond(other).cache_write_1h == 1
    assert other.at_least(one).cache_write_1h == 3
