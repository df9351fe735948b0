"""What follows an attempt that did not end well: another one now, later, by another agent, or none (SPEC 6).

A usage limit is waited out and a busy service asked again, all within the same session. What no waiting mends
(a login, a bill, a model that does not exist) is a dead end, and not for this session alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.session import Reason, SessionStatus

if TYPE_CHECKING:
    from pitboss.core.agent import AgentOutcome, Quota
    from pitboss.core.config import Limits

UNKNOWN_RESET_S = 900.0
"""Between two looks at a usage limit whose end nobody told."""

SETTLING_S = 5.0
"""From the end of a usage limit to the next try: clocks differ."""

LONGEST_LIMIT_S = 40 * 24 * 3600.0
"""No limit ends later than a month from now: a date beyond that is damage, or in another unit."""

_SPREAD_S = 25.0
_LONGEST_BACKOFF_S = 900.0
_DEAD_ENDS = {
    Reason.AUTH: "log in to the agent's program again, or check its key",
    Reason.BILLING: "look at the account's plan and payment",
    Reason.NOT_FOUND: "check the model: the prompt's `model`, [models], or `model` of the agent's table",
    Reason.PERMISSION_DENIED: "check `permission_mode` and `extra_args` of the agent's table",
    Reason.RATE_LIMITED: "go on once the limit is over, or name another agent in [limits] fallback",
}


_NO_GOOD = (Reason.SPAWN_FAILED, Reason.AUTH, Reason.BILLING, Reason.NOT_FOUND, Reason.OVERLOADED)
"""Why a fallback is no help, so that the agent it stands in for may as well be waited for."""


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """Try again after `after_s` seconds; `limited` to wait for a usage limit, whose end somebody `told` or not."""

    after_s: float
    limited: bool
    told: bool = False


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """Let another agent go on in the same tree: one that was not tried, or one whose limit is over before others.

    `left_until` is when the limit of the agent that is left ends, epoch seconds; None when nobody told.
    """

    agent: str
    left_until: float | None = None


class Anew(msgspec.Struct, frozen=True):
    """Begin again at once: the agent's own session, which was to be gone on with, is gone."""


class Tries(msgspec.Struct, frozen=True, kw_only=True):
    """What a session has been through: retries in a row, seconds waited for limits nobody dated, agents used.

    `ends` are the agents that were left for their limits, and when these end, epoch seconds, where that was told.
    """

    retries: int = 0
    blind_wait_s: float = 0.0
    agents: tuple[str, ...] = ()
    ends: dict[str, float] = {}

    def after(self, step: Again | Anew | Fallback) -> Tries:
        """The same with one more step."""
        if isinstance(step, Fallback):
            ends = {
                agent: end for agent, end in self.ends.items() if agent not in (step.agent, *self.agents[-1:])
            }
            if self.agents and step.left_until is not None:
                ends[self.agents[-1]] = step.left_until
            return Tries(agents=(*self.agents, step.agent), ends=ends)
        if isinstance(step, Anew):
            return self
        if not step.limited:
            return msgspec.structs.replace(self, retries=self.retries + 1)
        blind_s = 0.0 if step.told else step.after_s
        return msgspec.structs.replace(self, retries=0, blind_wait_s=self.blind_wait_s + blind_s)


def next_attempt(
    ended: AgentOutcome, tries: Tries, limits: Limits, *, now: float, jitter: float
) -> Again | Anew | Fallback | None:
    """What to do after an attempt; None when the session ends with it.

    `now` is in epoch seconds, `jitter` between 0 and 1: it spreads agents that wait for the same moment.
    """
    if ended.status is not SessionStatus.ERROR:
        return None
    if ended.lost_session:
        return Anew()
    match _kind(ended.reason):
        case Reason.RATE_LIMITED:
            other = _to_other(ended, tries, limits, now=now)
            return other or _until_reset(ended, tries, limits, now=now, jitter=jitter)
        case Reason.OVERLOADED if tries.retries < limits.retries:
            backoff = min(limits.retry_base_seconds * 2.0 ** min(tries.retries, 64), _LONGEST_BACKOFF_S)
            return Again(after_s=backoff * (1 + jitter / 4), limited=False)
        case kind if kind in _NO_GOOD and _is_fallback(tries):
            return fallback(tries, limits) or Fallback(agent=tries.agents[0])
        case _:
            return None


def dead_end(reason: str | None) -> str | None:
    """What to do when a session ended for a reason that would end every other one as well; None otherwise."""
    kind = _kind(reason)
    return _DEAD_ENDS.get(kind) if kind is not None else None


def is_limit(reason: str | None) -> bool:
    """Whether a usage limit is the reason."""
    return _kind(reason) is Reason.RATE_LIMITED


def opens_at(quota: Quota | None, pause_at: float | None, now: float) -> float | None:
    """When an agent whose quota is used up to `pause_at` may be started again, epoch seconds; None for now."""
    if quota is None or pause_at is None:
        return None
    windows = (quota.five_hour, quota.seven_day, quota.other)
    full = (w for w in windows if w is not None and w.used >= pause_at)
    return max((end for w in full if (end := limit_ahead(w.resets_at, now)) is not None), default=None)


def fallback(tries: Tries, limits: Limits) -> Fallback | None:
    """The next agent to take over from one that is limited; None when all had their try."""
    return next((Fallback(agent=name) for name in limits.fallback if name not in tries.agents), None)


def _to_other(ended: AgentOutcome, tries: Tries, limits: Limits, *, now: float) -> Fallback | None:
    """Another agent instead of one that is limited: one that was not tried, else one whose limit is over sooner."""
    end = limit_ahead(ended.resets_at, now)
    untried = fallback(tries, limits)
    if untried is not None:
        return Fallback(agent=untried.agent, left_until=end)
    mine = now + UNKNOWN_RESET_S if end is None else end
    agent, others = min(tries.ends.items(), key=lambda told: told[1], default=("", mine))
    sooner = others < mine and agent not in tries.agents[-1:]
    return Fallback(agent=agent, left_until=end) if sooner else None


def _is_fallback(tries: Tries) -> bool:
    """Whether the last agent is not the first; one that is no good is no loss then: the first can be waited for."""
    return len(tries.agents) > 1 and tries.agents[-1] != tries.agents[0]


def _until_reset(
    ended: AgentOutcome, tries: Tries, limits: Limits, *, now: float, jitter: float
) -> Again | None:
    end = limit_ahead(ended.resets_at, now)
    if end is not None:
        spread_s = jitter * min(_SPREAD_S, (end - now) / 10)
        return Again(after_s=end - now + SETTLING_S + spread_s, limited=True, told=True)
    left_s = limits.max_wait_s - tries.blind_wait_s
    just_over = ended.resets_at is not None and now - UNKNOWN_RESET_S < ended.resets_at <= now
    step_s = max(SETTLING_S, limits.retry_base_seconds) if just_over else UNKNOWN_RESET_S
    return Again(after_s=min(step_s, left_s), limited=True) if left_s > 0 else None


def limit_ahead(moment: float | None, now: float) -> float | None:
    """`moment`, epoch seconds, if a limit that holds `now` can end then."""
    return moment if moment is not None and now < moment <= now + LONGEST_LIMIT_S else None


def _kind(reason: str | None) -> Reason | None:
    word = (reason or "").partition(":")[0]
    return Reason(word) if word in list(Reason) else None
