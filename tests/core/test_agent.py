"""Whose word a cost is, when several are added up (SPEC 4)."""

from __future__ import annotations

from pitboss.core.agent import CostSource


def test_the_least_sure_source_speaks_for_a_sum() -> None:
    agent, configured, listed, unknown = CostSource
    assert CostSource.least_sure([agent, configured]) is configured
    assert CostSource.least_sure([listed, configured]) is listed
    assert CostSource.least_sure([unknown, listed, agent]) is unknown


def test_of_no_costs_at_all_the_agent_said_so() -> None:
    assert CostSource.least_sure([]) is CostSource.AGENT
