"""An agent's work in a session over all its attempts: what is waited for, and what is asked again (SPEC 6).

Each attempt has a transcript of its own, by which it is counted and billed after a crash. What an attempt is
to be, other than the first, is durable before it starts.
"""

from __future__ import annotations

import random
import time
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.agent import AgentOutcome, Resume
from pitboss.core.events import Phase, PhaseChanged
from pitboss.core.retry import (
    SETTLING_S,
    UNKNOWN_RESET_S,
    Again,
    Cause,
    Fallback,
    Restart,
    Tries,
    fallback,
    has_worked,
    limit_ahead,
    next_attempt,
)
from pitboss.core.session import Reason, SessionStatus, reason_kind
from pitboss.core.usage import Usage
from pitboss.engine.attempt import Attempt
from pitboss.engine.request import attempt_request, bill_request, implementer
from pitboss.engine.waiting import Stopped, Wait, wait_until
from pitboss.engine.watching import run_agent
from pitboss.store.opening import status

if TYPE_CHECKING:
    from pitboss.core.config import Limits
    from pitboss.core.session import Assignment
    from pitboss.engine.context import RunContext


class Worked(msgspec.Struct, frozen=True, kw_only=True):
    """How the work ended: as the last attempt did, with the usage of all of them."""

    last: AgentOutcome
    usage: Usage
    agent: str


def work(
    context: RunContext,
    session: Assignment,
    part: Attempt,
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
        tries = tries.seen(ended)
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


def bill(context: RunContext, session: Assignment, part: Attempt, *, begun: bool = False) -> Worked:
    """Bill all attempts of `part` by what they left on disk; `begun`: the process of the last one was seen."""
    progress = context.journal.progress(session.seq)
    attempts = 1 if part.is_fix else progress.attempt
    agents = () if part.is_fix else progress.agents
    used, known = Usage(), dict[str, Resume]()
    for nth in count(1):
        following = msgspec.structs.replace(part, attempt=nth + 1)
        more = status(context.paths.transcript(session.seq, following.kind)) is not None
        is_last = nth >= attempts and not more
        request = bill_request(context, session, part)
        ended = context.agent(part.agent).bill(request, started=begun or not is_last)
        used += ended.usage
        if is_last:
            return Worked(last=ended, usage=used, agent=part.agent)
        agent = agents[min(nth, len(agents) - 1)] if agents else part.agent
        step: Again | Restart | Fallback = (
            Restart() if ended.lost_session else Again(after_s=0.0, cause=Cause.RETRY)
        )
        if agent != part.agent:
            step = Fallback(agent=agent)
        part = _following(context, session, part, step, ended, known)
    raise AssertionError("the attempts of a session are finite")


def _following(
    context: RunContext,
    session: Assignment,
    part: Attempt,
    step: Again | Restart | Fallback,
    ended: AgentOutcome,
    known: dict[str, Resume],
) -> Attempt:
    """The next attempt: in the agent's own session where it can go on with one, else from the start.

    `known` are the sessions of all agents so far, and is kept; one in which nothing was done yet is no use. The
    session's model is that of its first agent alone.
    """
    begun = part.resume is not None or has_worked(ended)
    if begun and context.agent(part.agent).resumable and ended.session_id is not None:
        same = part.resume is not None and part.resume.session_id == ended.session_id
        before = part.resume.usage if part.resume is not None and same else Usage()
        known[part.agent] = Resume(session_id=ended.session_id, usage=before + ended.usage)
    if isinstance(step, Restart):
        known.pop(part.agent, None)
    agent, model = part.agent, part.model
    if isinstance(step, Fallback):
        first = implementer(session)
        agent, model = step.agent, first.model if step.agent == first.agent else None
    return Attempt(agent=agent, model=model, fix=part.fix, attempt=part.attempt + 1, resume=known.get(agent))


# Waiting, or not


def _switched(
    context: RunContext, session: Assignment, part: Attempt, tries: Tries, limits: Limits
) -> tuple[Attempt, Tries]:
    """Another agent instead of one that is known to be limited, where there is one that may be started."""
    if context.gate.opens_at(part.agent, context.clock().timestamp()) is None:
        return part, tries
    step = fallback(tries, _open(context, limits))
    if step is None:
        return part, tries
    _enter(
        context,
        session,
        part,
        detail=f"{step.agent} instead: {_closed(context, part).awaited}",
    )
    return Attempt(agent=step.agent, attempt=part.attempt), tries.after(step)


def _open(context: RunContext, limits: Limits) -> Limits:
    """The limits, with those fallbacks only that may be started now."""
    now = context.clock().timestamp()
    names = tuple(name for name in limits.fallback if context.gate.opens_at(name, now) is None)
    return msgspec.structs.replace(limits, fallback=names)


def _wait_for_gate(context: RunContext, session: Assignment, part: Attempt) -> Stopped | None:
    """Start no agent that another session knows to be limited, or whose quota is as good as used up."""
    while (until := context.gate.opens_at(part.agent, context.clock().timestamp())) is not None:
        if stopped := wait_until(context, session, until, _closed(context, part)):
            return stopped
        _enter(context, session, part)
    return None


def _before(
    context: RunContext,
    session: Assignment,
    part: Attempt,
    step: Again | Restart | Fallback,
    ended: AgentOutcome,
) -> Stopped | None:
    """What `step` asks for before the attempt that follows `part`."""
    now = context.clock().timestamp()
    if isinstance(step, Restart):
        _enter(context, session, part, detail=f"{part.agent} begins anew: {ended.reason}")
        return None
    if isinstance(step, Fallback):
        if reason_kind(ended.reason) in (Reason.RATE_LIMITED, Reason.OVERLOADED):
            end = limit_ahead(ended.resets_at, now)
            until = (now + UNKNOWN_RESET_S if end is None else end) + SETTLING_S
            context.gate.close(part.agent, until, _cause_of(ended))
        _enter(context, session, part, detail=f"{step.agent} goes on: {ended.reason}")
        return None
    until = now + step.after_s
    if step.dated:
        context.gate.close(part.agent, until, step.cause)
    wait = Wait(cause=step.cause, agent=part.agent, why=ended.reason)
    if stopped := wait_until(context, session, until, wait):
        return stopped
    _enter(context, session, part)
    return None


def _cause_of(ended: AgentOutcome) -> Cause:
    return Cause.OUTAGE if reason_kind(ended.reason) is Reason.OVERLOADED else Cause.LIMIT


def _closed(context: RunContext, part: Attempt) -> Wait:
    """What an agent waits for that nobody is to start now."""
    return Wait(cause=context.gate.cause(part.agent), agent=part.agent)


def _enter(context: RunContext, session: Assignment, part: Attempt, detail: str = "") -> None:
    phase = Phase.FIX if part.is_fix else Phase.AGENT
    context.emit(PhaseChanged(seq=session.seq, phase=phase, detail=detail, attempt=part.attempt))


def _too_dear(context: RunContext, session: Assignment, used: Usage) -> Stopped | None:
    """No further attempt of a session that has reached its own cap."""
    prompt = context.prompts.get(session.prompt)
    cap = prompt.meta.max_session_cost_usd if prompt else None
    if cap is None or used.cost_usd < cap:
        return None
    return Stopped(SessionStatus.ERROR, Reason.COST_CAP.because(f"${used.cost_usd:.4f} >= ${cap:.4f}"))


def _cut_short(stopped: Stopped, last: AgentOutcome | None) -> AgentOutcome:
    """The last attempt, if there was one, with another end."""
    last = last or AgentOutcome(status=stopped.status, usage=Usage())
    return msgspec.structs.replace(last, status=stopped.status, reason=stopped.reason)
