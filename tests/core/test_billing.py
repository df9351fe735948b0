"""When the cost of a start of an agent is known: the whole table of the one rule (SPEC 1.5, 4)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.billing import Evidence, is_cost_known, unknown_cost_advice
from pitboss.core.session import Reason, SessionRecord, SessionStatus, TokenUsage
from pitboss.core.usage import Usage
from tests.support.values import record

NOTHING = Usage()
PRICED = Usage(input=10, output=1, cost_usd=0.1)
UNPRICED = Usage(input=10, output=1, cost_known=False)
REFUSED = {
    Reason.RATE_LIMITED,
    Reason.OVERLOADED,
    Reason.AUTH,
    Reason.BILLING,
    Reason.NOT_FOUND,
    Reason.PERMISSION_DENIED,
    Reason.CONTEXT_TOO_LONG,
}


@pytest.mark.parametrize(
    ("usage", "evidence", "known"),
    [
        (NOTHING, {}, False),
        (NOTHING, {"paid": False}, True),
        (NOTHING, {"paid": False, "intact": False}, True),
        (NOTHING, {"started": False}, True),
        (NOTHING, {"says_nothing": True}, True),
        (NOTHING, {"silent": True}, True),
        (NOTHING, {"failure": "overloaded: 529"}, True),
        (NOTHING, {"failure": "overloaded: 529", "acted": True}, False),
        (NOTHING, {"failure": "overloaded: 529", "intact": False}, False),
        (NOTHING, {"failure": "overloaded: cut off", "served": True}, False),
        (NOTHING, {"failure": "a word of tomorrow"}, False),
        (PRICED, {}, True),
        (Usage(cost_usd=0.1), {}, True),
        (PRICED, {"intact": False}, False),
        (PRICED, {"paid": False, "started": False}, True),
        (UNPRICED, {}, False),
        (UNPRICED, {"paid": False}, False),
        (UNPRICED, {"failure": "auth", "silent": True, "says_nothing": True}, False),
        (Usage(cost_known=False), {"says_nothing": True}, False),
    ],
)
def test_a_cost_is_known_if_it_was_seen_or_cannot_have_been(
    usage: Usage, evidence: dict[str, Any], known: bool
) -> None:
    assert is_cost_known(usage, Evidence(**{"paid": True, **evidence})) is known


@pytest.mark.parametrize("reason", list(Reason))
def test_only_who_was_not_served_has_used_nothing(reason: Reason) -> None:
    told = Evidence(paid=True, failure=reason.because("in words"))
    assert is_cost_known(NOTHING, told) is (reason in REFUSED)


usages = st.builds(
    Usage,
    input=st.integers(0, 9),
    output=st.integers(0, 9),
    cost_usd=st.sampled_from([0.0, 0.5]),
    cost_known=st.booleans(),
)
evidences = st.builds(
    Evidence,
    paid=st.booleans(),
    started=st.booleans(),
    intact=st.booleans(),
    says_nothing=st.booleans(),
    failure=st.none() | st.sampled_from(list(Reason)).map(str),
    silent=st.booleans(),
    acted=st.booleans(),
)


@given(usages, evidences)
def test_a_price_that_is_not_known_never_becomes_known(usage: Usage, evidence: Evidence) -> None:
    assert not is_cost_known(usage, evidence) or usage.cost_known


@given(usages, evidences)
def test_to_lose_output_makes_no_cost_known(usage: Usage, evidence: Evidence) -> None:
    lost = msgspec.structs.replace(evidence, intact=False)
    assert not is_cost_known(usage, lost) or is_cost_known(usage, evidence)


UNKNOWN = record(1, agent="claude_code", cost_known=False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"unpriced": "new-model", "agent": None}, 'set [budgets.pricing."new-model"]'),
        ({"tokens": TokenUsage(input=1)}, "some of what claude_code printed is lost; look up"),
        ({"tokens": TokenUsage(output=1)}, "some of what claude_code printed is lost; look up"),
        ({"status": SessionStatus.ABORTED, "agent": "command"}, "command was ended before it said"),
        ({"status": SessionStatus.TIMEOUT}, "claude_code was ended before it said"),
        ({"status": SessionStatus.SKIPPED, "agent": None}, "its agent was ended before it said"),
        ({"agent": "command"}, 'write it to $PITBOSS_USAGE_FILE, or set [agent.command] usage = "none"'),
        ({"agent": "acp"}, 'says what acp used: set [agent.acp] usage = "none"'),
        ({}, "claude_code did not say what it used; look up the spend in your account with its service"),
    ],
)
def test_what_to_do_about_an_unknown_cost(changes: dict[str, Any], words: str) -> None:
    ended: SessionRecord = msgspec.structs.replace(UNKNOWN, **changes)
    assert words in unknown_cost_advice(ended)
