"""An agent's work in a session over all its attempts: limits waited for, busy services asked again (SPEC 6).

Each attempt has a transcript of its own, by which it is counted and billed after a crash. What an attempt is
to be, other than the first, is durable before it starts.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.agent import AgentOutcome, Resume
from pitboss.core.attempts import (
    SETTLING_S,
    UNKNOWN_RESET_S,
    Again,
    Anew,
    Fallback,
    Tries,
    fallback,
    is_limit,
    limit_ahead,
    next_attempt,
)
from pitboss.core.events import Phase, PhaseChanged
from pitboss.core.session import Reason, SessionStatus
from pitboss.core.usage import Usage
from pitboss.engine.attempt import over_budget, run_agent
from pitboss.engine.part import Part
from pitboss.engine.request import attempt_request, bill_request, implementer
from pitboss.guardian import StopLevel
from pitboss.process import StopRequest

if TYPE_CHECKING:
    from pitboss.core.config import Limits
    from pitboss.core.session import InFlight
    from pitboss.engine.context import RunContext

POLL_S = 0.25


class Worked(msgspec.Struct, frozen=True, kw_only=True):
    """How the work ended: as the last attempt did, with the usage of all of them."""

    last: AgentOutcome
    usage: Usage
    agent: str


class _Stopped(msgspec.Struct, frozen=True):
    status: SessionStatus
    reason: str


def work(
    context: RunContext,
    session: InFlight,
    part: Part,
    limits: Limits,
    *,
    text: str,
    billed: Usage | None = None,
) -> Worked:
    """Run the agent of `part` on `text`, again if need be, until its work is done or cannot be.

    `billed` is what others in the session have used already.
    """
    others = billed or Usage()
    tries, used, worked_s = Tries(agents=(part.agent,)), Usage(), 0.0
    known: dict[str, Resume] = {}
    ended: AgentOutcome | None = None
    while True:
        part, tries = _switched(context, session, part, tries, limits)
        if stopped := _wait_for_gate(context, session, part):
            return Worked(last=_cut_short(stopped, ended), usage=used, agent=part.agent)
        # Durable before it starts, and not before it is sure to.
        if not part.is_fix and part != implementer(session):
            context.journal.attempting(session.seq, part)
        began = time.monotonic()
        before = others + used
        request = attempt_request(
            context, session, part, text=text, billed_usd=before.cost_usd, worked_s=worked_s
        )
        ended = run_agent(context, session.seq, part.agent, request, before=before)
        used, worked_s = used + ended.usage, worked_s + time.monotonic() - began
        now = context.clock().timestamp()
        # Jitter is no secret.
        step = next_attempt(ended, tries, _open(context, limits), now=now, jitter=random.random())  # noqa: S311
        if step is None:
            return Worked(last=ended, usage=used, agent=part.agent)
        if stopped := _too_dear(context, session, others + used) or _before(
            context, session, part, step, ended
        ):
            return Worked(last=_cut_short(stopped, ended), usage=used, agent=part.agent)
        tries = tries.after(step)
        part = _following(context, session, part, step, ended, known)


def bill(context: RunContext, session: InFlight, part: Part, *, alive: bool = False) -> Worked:
    """Bill all attempts of `part` by what they left on disk; `alive`: the process of the last one was seen."""
    agents = (*session.tried, str(session.agent)) if not part.is_fix else ()
    used, known = Usage(), dict[str, Resume]()
    for nth in count(1):
        following = msgspec.structs.replace(part, attempt=nth + 1)
        is_last = not context.paths.transcript(session.seq, following.kind).exists()
        request = bill_request(context, session, part)
        ended = context.agent(part.agent).bill(request, started=alive or not is_last)
        used += ended.usage
        if is_last:
            return Worked(last=ended, usage=used, agent=part.agent)
        agent = agents[min(nth, len(agents) - 1)] if agents else part.agent
        step: Again | Anew | Fallback = Anew() if ended.lost_session else Again(after_s=0.0, limited=False)
        if agent != part.agent:
            step = Fallback(agent=agent)
        part = _following(context, session, part, step, ended, known)
    raise AssertionError("the attempts of a session are finite")


def _following(
    context: RunContext,
    session: InFlight,
    part: Part,
    step: Again | Anew | Fallback,
    ended: AgentOutcome,
    known: dict[str, Resume],
) -> Part:
    """The next attempt: in the agent's own session where it can go on with one, else from the start.

    `known` are the sessions of all agents so far, and is kept. The session's model is that of its first agent alone.
    """
    if context.agent(part.agent).resumable and ended.session_id is not None:
        same = part.resume is not None and part.resume.session_id == ended.session_id
        before = part.resume.usage if part.resume is not None and same else Usage()
        known[part.agent] = Resume(session_id=ended.session_id, usage=before + ended.usage)
    if isinstance(step, Anew):
        known.pop(part.agent, None)
    agent, model = part.agent, part.model
    if isinstance(step, Fallback):
        first = implementer(session)
        agent, model = step.agent, first.model if step.agent == first.agent else None
    return Part(agent=agent, model=model, fix=part.fix, attempt=part.attempt + 1, resume=known.get(agent))


# Waiting, or not


def _switched(
    context: RunContext, session: InFlight, part: Part, tries: Tries, limits: Limits
) -> tuple[Part, Tries]:
    """Another agent instead of one that is known to be limited, where there is one that may be started."""
    if context.gate.opens_at(part.agent, context.clock().timestamp()) is None:
        return part, tries
    step = fallback(tries, _open(context, limits))
    if step is None:
        return part, tries
    _enter(context, session, part, detail=f"{step.agent} instead: {_limit_of(part)}")
    return Part(agent=step.agent, attempt=part.attempt), tries.after(step)


def _open(context: RunContext, limits: Limits) -> Limits:
    """The limits, with those fallbacks only that may be started now."""
    now = context.clock().timestamp()
    names = tuple(name for name in limits.fallback if context.gate.opens_at(name, now) is None)
    return msgspec.structs.replace(limits, fallback=names)


def _wait_for_gate(context: RunContext, session: InFlight, part: Part) -> _Stopped | None:
    """Start no agent that another session knows to be limited, or whose quota is as good as used up."""
    while (until := context.gate.opens_at(part.agent, context.clock().timestamp())) is not None:
        if stopped := _wait_until(context, session, until, detail=_limit_of(part), limited=True):
            return stopped
        _enter(context, session, part)
    return None


def _before(
    context: RunContext, session: InFlight, part: Part, step: Again | Anew | Fallback, ended: AgentOutcome
) -> _Stopped | None:
    """What `step` asks for before the attempt that follows `part`."""
    now = context.clock().timestamp()
    if isinstance(step, Anew):
        _enter(context, session, part, detail=f"{part.agent} begins anew: {ended.reason}")
        return None
    if isinstance(step, Fallback):
        if is_limit(ended.reason):
            end = limit_ahead(ended.resets_at, now)
            context.gate.limited(part.agent, (now + UNKNOWN_RESET_S if end is None else end) + SETTLING_S)
        _enter(context, session, part, detail=f"{step.agent} goes on: {ended.reason}")
        return None
    until = now + step.after_s
    if step.told:
        context.gate.limited(part.agent, until)
    detail = _limit_of(part) if step.limited else f"retry: {ended.reason}"
    if stopped := _wait_until(context, session, until, detail=detail, limited=step.limited):
        return stopped
    _enter(context, session, part)
    return None


def _enter(context: RunContext, session: InFlight, part: Part, detail: str = "") -> None:
    phase = Phase.FIX if part.is_fix else Phase.AGENT
    context.emit(PhaseChanged(seq=session.seq, phase=phase, detail=detail))


def _limit_of(part: Part) -> str:
    return f"{part.agent}'s usage limit"


def _wait_until(
    context: RunContext, session: InFlight, until: float, *, detail: str, limited: bool
) -> _Stopped | None:
    """Wait by the clock, which goes on while a machine sleeps; a stop that was asked for ends it."""
    began = context.clock()
    moment = datetime.fromtimestamp(until, tz=UTC)
    context.journal.waiting(session.seq, began, moment)
    context.emit(PhaseChanged(seq=session.seq, phase=Phase.WAIT, detail=detail, until=moment))
    try:
        while (left := until - context.clock().timestamp()) > 0:
            if stopped := _stopped(context, session, detail, limited=limited):
                return stopped
            time.sleep(min(left, POLL_S))
    finally:
        waited_s = (context.clock() - began).total_seconds()
        context.journal.waited(session.seq, max(0.0, waited_s))
    return None


def _stopped(context: RunContext, session: InFlight, detail: str, *, limited: bool) -> _Stopped | None:
    """Draining lets sessions finish, but not one that may wait for hours."""
    reason = Reason.RATE_LIMITED.because(f"stopped while it waited for {detail}") if limited else "aborted"
    aborted = _Stopped(SessionStatus.ABORTED, reason)
    stop = context.control.stop_session(session.seq)
    if stop is StopRequest.SKIP:
        return _Stopped(SessionStatus.SKIPPED, str(Reason.SKIPPED))
    if stop is not None:
        return aborted
    if over_budget(context) is not None:
        return aborted
    late = context.caps.until is not None and context.clock() >= context.caps.until
    if limited and (late or context.gate.closing or context.control.level() is not StopLevel.NONE):
        return aborted
    return None


def _too_dear(context: RunContext, session: InFlight, used: Usage) -> _Stopped | None:
    """No further attempt of a session that has reached its own cap."""
    prompt = context.prompts.get(session.prompt)
    cap = prompt.meta.max_session_cost_usd if prompt else None
    if cap is None or used.cost_usd < cap:
        return None
    return _Stopped(SessionStatus.ERROR, Reason.COST_CAP.because(f"${used.cost_usd:.4f} >= ${cap:.4f}"))


def _cut_short(stopped: _Stopped, last: AgentOutcome | None) -> AgentOutcome:
    """The last attempt, if there was one, with another end."""
    last = last or AgentOutcome(status=stopped.status, usage=Usage())
    return msgspec.structs.replace(last, status=stopped.status, reason=stopped.reason)
