"""When the cost of a session is known: one rule, for sessions that ended and for those cut short (SPEC 1.5, 4).

An agent that can cost money and reported no usage may have used any amount, unless the way it ended rules that
out. A missing report never counts as zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.config import OWN_PROGRAMS
from pitboss.core.session import Reason, SessionStatus, reason_kind

if TYPE_CHECKING:
    from pitboss.core.session import Outcome, SessionRecord
    from pitboss.core.usage import Usage

_ASK_ITS_SERVICE = (
    "look up the spend in your account with its service, then resume, with another --max-cost if need be"
)
_REFUSED = frozenset(
    {
        Reason.RATE_LIMITED,
        Reason.OVERLOADED,
        Reason.AUTH,
        Reason.BILLING,
        Reason.NOT_FOUND,
        Reason.PERMISSION_DENIED,
        Reason.CONTEXT_TOO_LONG,
    }
)
"""Failures that mean the service never served the agent, if the agent has used nothing."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one start of an agent, besides the usage it reported.

    `paid`: its service may charge. `started`: it ran, or may have run. `intact`: as far as we can tell, its output is
    whole and all of it was read. `says_nothing`: it stated that it used nothing. `failure` is the reason it gave for
    ending, None if it gave none. `silent`: it exited with an error before it said anything. `acted`: it called a
    tool. `served`: it failed in the middle of an answer.
    """

    paid: bool
    started: bool = True
    intact: bool = True
    says_nothing: bool = False
    failure: str | None = None
    silent: bool = False
    acted: bool = False
    served: bool = False


def is_cost_known(usage: Usage, evidence: Evidence) -> bool:
    """Whether `usage`, as far as it can be priced, is all that an agent used."""
    if not (evidence.paid and evidence.started):
        return usage.cost_known
    if not evidence.intact:
        return False
    if usage.has_tokens or usage.cost_usd > 0:
        return usage.cost_known
    refused = reason_kind(evidence.failure) in _REFUSED and not (evidence.acted or evidence.served)
    return usage.cost_known and (evidence.says_nothing or refused or evidence.silent)


def unknown_cost_advice(record: SessionRecord | Outcome) -> str:
    """What to do about a session of unknown cost, depending on why it is unknown."""
    if record.unpriced is not None:
        return f'set [budgets.pricing."{record.unpriced}"] in .pitboss/config.toml'
    agent = record.agent or "its agent"
    if record.tokens.input or record.tokens.output:
        return f"some of what {agent} printed is lost; {_ASK_ITS_SERVICE}"
    if record.status in (SessionStatus.ABORTED, SessionStatus.SKIPPED, SessionStatus.TIMEOUT):
        return f"{agent} was ended before it said what it had used; {_ASK_ITS_SERVICE}"
    if agent in OWN_PROGRAMS:
        tell = "let the program write it to $PITBOSS_USAGE_FILE, or " if agent == "command" else ""
        free = f'set [agent.{agent}] usage = "none" if it costs nothing'
        return f"nothing readable says what {agent} used: {tell}{free}"
    return f"{agent} did not say what it used; {_ASK_ITS_SERVICE}"
