"""What follows an attempt that did not end well: another one now, later, by another agent, or none (SPEC 6).

A usage limit is waited out and a busy service asked again, all within the same session. A service that stays away
before anything was used is an outage: it is waited for like a limit whose end nobody told. What no waiting mends
(a login, a bill, a model that does not exist) is a dead end, and not for this session alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.session import Reason, SessionStatus, reason_kind

if TYPE_CHECKING:
    from pitboss.core.agent import AgentOutcome, Quota
    from pitboss.core.config import Limits
    from pitboss.core.session import SessionRecord

UNKNOWN_RESET_S = 900.0
"""Between two looks at a usage limit whose end nobody told."""

SETTLING_S = 5.0
"""From the end of a usage limit to the next try: clocks differ."""

LONGEST_LIMIT_S = 40 * 24 * 3600.0
"""No limit ends later than a month from now: a date beyond that is damage, or in another unit."""

LOGIN_PAUSE_S = 5.0
"""Before a login that was refused is tried once more: a token may just have been renewed by a neighbour."""

_LEAST_STEP_S = 0.1
"""So that waits which double do so whatever is configured."""

_SPREAD_S = 25.0
_LONGEST_BACKOFF_S = 900.0
_DEAD_ENDS = {
    Reason.AUTH: "log in to the agent's program again, or check its key",
    Reason.BILLING: "look at the account's plan and payment",
    Reason.NOT_FOUND: "check the model: the prompt's `model`, [models], or `model` of the agent's table",
    Reason.PERMISSION_DENIED: "check `permission_mode` and `extra_args` of the agent's table",
    Reason.RATE_LIMITED: "go on once the limit is over, or name another agent in [limits] fallback",
}
_OUT_OF_REACH = "go on once the service is back, or name another agent in [limits] fallback"

_NO_GOOD = (Reason.SPAWN_FAILED, Reason.AUTH, Reason.BILLING, Reason.NOT_FOUND, Reason.OVERLOADED)
"""Why a fallback is no help, so that the agent it stands in for may as well be waited for."""


class Cause(StrEnum):
    """What an agent that is to try again waits for."""

    RETRY = "retry"
    LOGIN = "login"
    LIMIT = "limit"
    OUTAGE = "outage"

    @property
    def is_long(self) -> bool:
        """Whether the wait may last hours, so that whoever lets the run end does not wait for it too."""
        return self in (Cause.LIMIT, Cause.OUTAGE)


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """Try again after `after_s` seconds, for `cause`.

    `told`: it is a limit whose end somebody told. `blind_s` is the part of the wait for which nobody did.
    """

    after_s: float
    cause: Cause
    told: bool = False
    blind_s: float = 0.0


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """Let another agent go on in the same tree: one that was not tried, or one whose limit is over before others.

    `left_until` is when the limit of the agent that is left ends, epoch seconds; None when nobody told.
    """

    agent: str
    left_until: float | None = None


class Anew(msgspec.Struct, frozen=True):
    """Begin again at once: the agent's own session, which was to be gone on with, is gone."""


class Tries(msgspec.Struct, frozen=True, kw_only=True):
    """What a session has been through: retries in a row, seconds waited for what nobody dated, agents used.

    `told` counts ends of limits in a row that were told and waited for in vain, `logins` those refused, and `used`
    says whether any attempt got to work. `ends` are the agents that were left for their limits, and when these
    end, epoch seconds, where that was told.
    """

    retries: int = 0
    told: int = 0
    logins: int = 0
    blind_wait_s: float = 0.0
    used: bool = False
    agents: tuple[str, ...] = ()
    ends: dict[str, float] = {}

    def seen(self, ended: AgentOutcome) -> Tries:
        """The same with what an attempt did: one that got to work proves that the limit before it had ended."""
        return msgspec.structs.replace(self, used=True, told=0) if has_worked(ended) else self

    def after(self, step: Again | Anew | Fallback) -> Tries:
        """The same with one more step."""
        match step:
            case Fallback():
                return self._handed_on(step)
            case Anew():
                return self
            case Again(cause=Cause.LOGIN):
                return msgspec.structs.replace(self, logins=self.logins + 1)
            case _:  # any other Again: mypy refuses a kind of step that has no case above
                return msgspec.structs.replace(
                    self,
                    retries=0 if step.cause is Cause.LIMIT else self.retries + 1,
                    told=self.told + 1 if step.told else self.told,
                    blind_wait_s=self.blind_wait_s + step.blind_s,
                )

    def _handed_on(self, step: Fallback) -> Tries:
        ends = {
            agent: end for agent, end in self.ends.items() if agent not in (step.agent, *self.agents[-1:])
        }
        if self.agents and step.left_until is not None:
            ends[self.agents[-1]] = step.left_until
        return Tries(used=self.used, agents=(*self.agents, step.agent), ends=ends)


def next_attempt(
    ended: AgentOutcome, tries: Tries, limits: Limits, *, now: float, jitter: float
) -> Again | Anew | Fallback | None:
    """What to do after an attempt that `tries` has `seen`; None when the session ends with it.

    `now` is in epoch seconds, `jitter` between 0 and 1: it spreads agents that wait for the same moment.
    """
    if ended.status is not SessionStatus.ERROR:
        return None
    if ended.lost_session:
        return Anew()
    match reason_kind(ended.reason):
        case Reason.RATE_LIMITED:
            other = _to_other(ended, tries, limits, now=now)
            return other or _until_reset(ended, tries, limits, now=now, jitter=jitter)
        case Reason.AUTH if tries.logins == 0:
            return Again(after_s=min(LOGIN_PAUSE_S, limits.retry_base_seconds), cause=Cause.LOGIN)
        case Reason.OVERLOADED if tries.retries < limits.retries:
            return Again(after_s=_backoff_s(tries.retries, limits, jitter), cause=Cause.RETRY)
        case kind:
            return _without_hope(kind, tries, limits, jitter=jitter)


def _without_hope(
    kind: Reason | None, tries: Tries, limits: Limits, *, jitter: float
) -> Again | Fallback | None:
    """What to do when asking again soon is of no use: another agent, a long wait for an outage, or nothing."""
    if kind in _NO_GOOD and _is_fallback(tries):
        return fallback(tries, limits) or Fallback(agent=tries.agents[0])
    if kind is Reason.OVERLOADED and not tries.used:
        return fallback(tries, limits) or _until_back(tries, limits, jitter=jitter)
    return None


def dead_end(reason: str | None) -> str | None:
    """What to do when a session ended for a reason that would end every other one as well; None otherwise."""
    kind = reason_kind(reason)
    return _DEAD_ENDS.get(kind) if kind is not None else None


def stuck_for(record: SessionRecord, limits: Limits) -> str | None:
    """What to do when `record` met what would end every other session as well; None otherwise.

    An outage that outlasted `max_wait` is such a thing too.
    """
    if not record.status.failed:
        return None
    waited_for = record.is_outage and limits.max_wait_s > 0
    return _OUT_OF_REACH if waited_for else dead_end(record.reason)


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
    """A told end is waited for; one that was told before and proved wrong is believed less each time."""
    end = limit_ahead(ended.resets_at, now)
    left_s = limits.max_wait_s - tries.blind_wait_s
    if end is not None:
        told_s = end - now + SETTLING_S + jitter * min(_SPREAD_S, (end - now) / 10)
        doubt_s = _backoff_s(tries.told, limits, least_s=_LEAST_STEP_S) - told_s if tries.told else 0.0
        if doubt_s > 0 >= left_s:
            return None
        blind_s = max(0.0, min(doubt_s, left_s))
        return Again(after_s=told_s + blind_s, cause=Cause.LIMIT, told=True, blind_s=blind_s)
    just_over = ended.resets_at is not None and now - UNKNOWN_RESET_S < ended.resets_at <= now
    step_s = max(SETTLING_S, limits.retry_base_seconds) if just_over else UNKNOWN_RESET_S
    return _blind(step_s, left_s, Cause.LIMIT)


def _until_back(tries: Tries, limits: Limits, *, jitter: float) -> Again | None:
    """Wait for a service that stays away, in steps that go on doubling where the retries stopped."""
    step_s = _backoff_s(tries.retries, limits, jitter, least_s=_LEAST_STEP_S)
    return _blind(step_s, limits.max_wait_s - tries.blind_wait_s, Cause.OUTAGE)


def _blind(step_s: float, left_s: float, cause: Cause) -> Again | None:
    after_s = min(step_s, left_s)
    return Again(after_s=after_s, cause=cause, blind_s=after_s) if left_s > 0 else None


def _backoff_s(nth: int, limits: Limits, jitter: float = 0.0, *, least_s: float = 0.0) -> float:
    """Seconds before try `nth` (from 0) of what did not work: each is twice as long, up to a quarter of an hour."""
    base_s = max(limits.retry_base_seconds, least_s)
    return min(base_s * 2.0 ** min(nth, 64), _LONGEST_BACKOFF_S) * (1 + jitter / 4)


def has_worked(ended: AgentOutcome) -> bool:
    """Whether the agent got to do anything: then its failure is no outage."""
    return ended.usage.has_tokens or ended.usage.cost_usd > 0 or ended.tool_calls > 0


def limit_ahead(moment: float | None, now: float) -> float | None:
    """`moment`, epoch seconds, if a limit that holds `now` can end then."""
    return moment if moment is not None and now < moment <= now + LONGEST_LIMIT_S else None
