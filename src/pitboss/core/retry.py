"""What follows an attempt that went wrong: another now, later, by another agent, or none (SPEC 6).

A session waits out usage limits, asks a busy service again, and starts a program again that is being updated. A service
that stays away before anything was used is an outage: it is waited for like a limit with no known end. What no wait can
fix (a login, a bill, a model that does not exist) is a dead end, and not for this session alone.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.session import Reason, SessionStatus, reason_kind

if TYPE_CHECKING:
    from pitboss.core.agent import AgentOutcome
    from pitboss.core.config import Limits
    from pitboss.core.quota import Quota
    from pitboss.core.session import SessionRecord

UNKNOWN_RESET_S = 900.0
"""Seconds between two tries at a usage limit with no known end."""

SETTLING_S = 5.0
"""Seconds from the end of a usage limit to the next try: clocks differ."""

LONGEST_LIMIT_S = 40 * 24 * 3600.0
"""No limit ends more than about a month from now: a later time is corrupt, or in another unit."""

LOGIN_PAUSE_S = 5.0
"""Seconds before a rejected login is tried once more: another process may just have renewed the token."""

_LEAST_STEP_S = 0.1
"""The least step to double from: a configured zero would stay zero."""

_SPREAD_S = 25.0
_LONGEST_BACKOFF_S = 900.0
_DEAD_ENDS = {
    Reason.AUTH: "log in to the agent's program again, or check its key",
    Reason.BILLING: "look at the account's plan and payment",
    Reason.NOT_FOUND: "check the model: the prompt's `model`, [models], or `model` of the agent's table",
    Reason.PERMISSION_DENIED: "check `permission_mode` and `extra_args` of the agent's table",
    Reason.RATE_LIMITED: "resume once the limit is over, or name another agent in [limits] fallback",
}
_OUT_OF_REACH = "resume once the service is back, or name another agent in [limits] fallback"

_NO_GOOD = (Reason.SPAWN_FAILED, Reason.AUTH, Reason.BILLING, Reason.NOT_FOUND, Reason.OVERLOADED)
"""Reasons that make a fallback useless, so that it is better to wait for the agent it stands in for."""


class Cause(StrEnum):
    """What an agent waits for before its next try."""

    RETRY = "retry"
    LOGIN = "login"
    LIMIT = "limit"
    OUTAGE = "outage"

    @property
    def is_long(self) -> bool:
        """Whether the wait may last hours; if so, draining the run does not wait for it."""
        return self in (Cause.LIMIT, Cause.OUTAGE)


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """Try again after `after_s` seconds, for `cause`.

    `dated`: it is a limit whose end is known. `blind_s` is the part of the wait not covered by a known end.
    """

    after_s: float
    cause: Cause
    dated: bool = False
    blind_s: float = 0.0


class Fallback(msgspec.Struct, frozen=True, kw_only=True):
    """Let another agent continue in the same tree: an untried one, or the one whose limit ends first.

    `left_until` is when the limit of the agent left behind ends, in epoch seconds; None when that is unknown.
    """

    agent: str
    left_until: float | None = None


class Restart(msgspec.Struct, frozen=True):
    """Start over at once: the agent's own session, which it was asked to resume, no longer exists."""


class Tries(msgspec.Struct, frozen=True, kw_only=True):
    """What a session has been through: retries in a row, seconds waited for limits with no known end, agents used.

    `dated` counts the stated ends in a row that proved wrong, `logins` the rejected logins, and `used` says whether
    any attempt got any work done. `ends` maps the agents left behind because of their limits to when those end, in
    epoch seconds, where that is known.
    """

    retries: int = 0
    dated: int = 0
    logins: int = 0
    blind_wait_s: float = 0.0
    used: bool = False
    agents: tuple[str, ...] = ()
    ends: dict[str, float] = {}

    def seen(self, ended: AgentOutcome) -> Tries:
        """These tries plus what an attempt did: if it got any work done, the limit before it had really ended."""
        return msgspec.structs.replace(self, used=True, dated=0) if has_worked(ended) else self

    def after(self, step: Again | Restart | Fallback) -> Tries:
        """These tries with one more step."""
        match step:
            case Fallback():
                return self._handed_on(step)
            case Restart():
                return self
            case Again(cause=Cause.LOGIN):
                return msgspec.structs.replace(self, logins=self.logins + 1)
            case _:  # any other Again: mypy refuses a kind of step that has no case above
                return msgspec.structs.replace(
                    self,
                    retries=0 if step.cause is Cause.LIMIT else self.retries + 1,
                    dated=self.dated + 1 if step.dated else self.dated,
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
) -> Again | Restart | Fallback | None:
    """What to do after an attempt that `tries` has `seen`; None when the session ends there.

    `now` is in epoch seconds. `jitter`, between 0 and 1, spreads out agents that wait for the same moment.
    """
    if ended.status is not SessionStatus.ERROR:
        return None
    if ended.lost_session:
        return Restart()
    match reason_kind(ended.reason):
        case Reason.RATE_LIMITED:
            other = _to_other(ended, tries, limits, now=now)
            return other or _until_reset(ended, tries, limits, now=now, jitter=jitter)
        case Reason.AUTH if tries.logins == 0:
            return Again(after_s=min(LOGIN_PAUSE_S, limits.retry_base_seconds), cause=Cause.LOGIN)
        case kind if tries.retries < limits.retries and _is_soon_over(kind, ended, tries):
            return Again(after_s=_backoff_s(tries.retries, limits, jitter), cause=Cause.RETRY)
        case kind:
            return _without_hope(kind, tries, limits, jitter=jitter)


def _is_soon_over(kind: Reason | None, ended: AgentOutcome, tries: Tries) -> bool:
    """Whether a retry may help: the service is busy, or the program is being updated and no other agent can go on."""
    return kind is Reason.OVERLOADED or (ended.missing and not _is_fallback(tries))


def _without_hope(
    kind: Reason | None, tries: Tries, limits: Limits, *, jitter: float
) -> Again | Fallback | None:
    """What to do when asking again soon is no use: another agent, a long wait for an outage, or nothing."""
    if kind in _NO_GOOD and _is_fallback(tries):
        return fallback(tries, limits) or Fallback(agent=tries.agents[0])
    if kind is Reason.OVERLOADED and not tries.used:
        return fallback(tries, limits) or _until_back(tries, limits, jitter=jitter)
    return None


def dead_end(reason: str | None) -> str | None:
    """Advice on a reason that would end every other session as well; None for any other reason."""
    kind = reason_kind(reason)
    return _DEAD_ENDS.get(kind) if kind is not None else None


def stuck_for(record: SessionRecord, limits: Limits) -> str | None:
    """Advice if `record` met something that would end every other session as well; None otherwise.

    That includes an outage that outlasted `max_wait`.
    """
    if not record.status.failed:
        return None
    waited_for = record.is_outage and limits.max_wait_s > 0
    return _OUT_OF_REACH if waited_for else dead_end(record.reason)


def opens_at(quota: Quota | None, pause_at: float | None, now: float) -> float | None:
    """When an agent whose quota has reached `pause_at` may start again, in epoch seconds; None for now."""
    if quota is None or pause_at is None:
        return None
    windows = (quota.five_hour, quota.seven_day, quota.other)
    full = (w for w in windows if w is not None and w.used >= pause_at)
    return max((end for w in full if (end := limit_ahead(w.resets_at, now)) is not None), default=None)


def fallback(tries: Tries, limits: Limits) -> Fallback | None:
    """The next agent to take over from one that is limited; None when all have been tried."""
    return next((Fallback(agent=name) for name in limits.fallback if name not in tries.agents), None)


def _to_other(ended: AgentOutcome, tries: Tries, limits: Limits, *, now: float) -> Fallback | None:
    """Another agent in place of a limited one: an untried one, else one whose limit ends sooner."""
    end = limit_ahead(ended.resets_at, now)
    untried = fallback(tries, limits)
    if untried is not None:
        return Fallback(agent=untried.agent, left_until=end)
    mine = now + UNKNOWN_RESET_S if end is None else end
    agent, others = min(tries.ends.items(), key=lambda entry: entry[1], default=("", mine))
    sooner = others < mine and agent not in tries.agents[-1:]
    return Fallback(agent=agent, left_until=end) if sooner else None


def _is_fallback(tries: Tries) -> bool:
    """Whether the last agent is a fallback; if it is no good, nothing is lost: the first can still be waited for."""
    return len(tries.agents) > 1 and tries.agents[-1] != tries.agents[0]


def _until_reset(
    ended: AgentOutcome, tries: Tries, limits: Limits, *, now: float, jitter: float
) -> Again | None:
    """Wait for a stated end; each time such an end proves wrong, the next is trusted less.

    Whoever wants no retries wants to wait no longer than `max_wait` for that either.
    """
    end = limit_ahead(ended.resets_at, now)
    left_s = limits.max_wait_s - tries.blind_wait_s
    if end is not None:
        if limits.retries == 0 and end - now > left_s:
            return None
        stated_s = end - now + SETTLING_S + jitter * min(_SPREAD_S, (end - now) / 10)
        doubt_s = _backoff_s(tries.dated, limits, least_s=_LEAST_STEP_S) - stated_s if tries.dated else 0.0
        if doubt_s > 0 >= left_s:
            return None
        blind_s = max(0.0, min(doubt_s, left_s))
        return Again(after_s=stated_s + blind_s, cause=Cause.LIMIT, dated=True, blind_s=blind_s)
    just_over = ended.resets_at is not None and now - UNKNOWN_RESET_S < ended.resets_at <= now
    step_s = max(SETTLING_S, limits.retry_base_seconds) if just_over else UNKNOWN_RESET_S
    return _blind(step_s, left_s, Cause.LIMIT)


def _until_back(tries: Tries, limits: Limits, *, jitter: float) -> Again | None:
    """Wait for a service that stays away, doubling the steps from where the retries stopped."""
    step_s = _backoff_s(tries.retries, limits, jitter, least_s=_LEAST_STEP_S)
    return _blind(step_s, limits.max_wait_s - tries.blind_wait_s, Cause.OUTAGE)


def _blind(step_s: float, left_s: float, cause: Cause) -> Again | None:
    after_s = min(step_s, left_s)
    return Again(after_s=after_s, cause=cause, blind_s=after_s) if left_s > 0 else None


def _backoff_s(nth: int, limits: Limits, jitter: float = 0.0, *, least_s: float = 0.0) -> float:
    """Seconds before retry `nth` (from 0): each wait twice the last, up to a quarter of an hour."""
    base_s = max(limits.retry_base_seconds, least_s)
    return min(base_s * 2.0 ** min(nth, 64), _LONGEST_BACKOFF_S) * (1 + jitter / 4)


def has_worked(ended: AgentOutcome) -> bool:
    """Whether the agent got anything done; if so, its failure is not an outage."""
    return ended.usage.has_tokens or ended.usage.cost_usd > 0 or ended.tool_calls > 0


def limit_ahead(moment: float | None, now: float) -> float | None:
    """`moment`, in epoch seconds, if a limit in force at `now` can end then."""
    return moment if moment is not None and now < moment <= now + LONGEST_LIMIT_S else None
