"""Makes attempt after attempt at a session's work, by its agent or one that takes over (SPEC 6).

Each attempt has its own transcript, from which it is counted and billed after a crash. Every attempt but the first is
durable before it starts.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.agent import AgentOutcome
from pitboss.core.measures import exact_money
from pitboss.core.retry import Again, Fallback, Restart, Tries, fallback, next_attempt
from pitboss.core.session import Reason, SessionStatus, Verdict
from pitboss.core.usage import Usage
from pitboss.engine.attempt import Attempt, Succession

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.config import Limits
    from pitboss.core.session import Assignment
    from pitboss.engine.agent_orders import AgentOrders
    from pitboss.engine.clock import Clock
    from pitboss.engine.journal import Journal
    from pitboss.engine.session_agents import SessionAgents
    from pitboss.engine.waiting import Waiting


class Worked(msgspec.Struct, frozen=True, kw_only=True):
    """How the work ended: as the last attempt did, with the usage of all attempts."""

    last: AgentOutcome
    usage: Usage
    agent: str


def _random() -> float:
    """A number from 0 to 1, without `random`, which every run would have to load."""
    return int.from_bytes(os.urandom(4), "big") / (1 << 32)


class Retrying:
    """Makes attempts until the work is done, or cannot be done."""

    def __init__(  # noqa: PLR0913 - the last two are plain values
        self,
        agents: SessionAgents,
        orders: AgentOrders,
        waiting: Waiting,
        journal: Journal,
        clock: Clock,
        *,
        limits: Limits,
        jitter: Callable[[], float] = _random,
    ) -> None:
        self._agents = agents
        self._orders = orders
        self._waiting = waiting
        self._journal = journal
        self._clock = clock
        self._limits = limits
        self._jitter = jitter

    def work(self, session: Assignment, first: Attempt, *, text: str, billed: Usage | None = None) -> Worked:
        """Let the agent of the `first` attempt work on `text`, in as many attempts as it takes.

        `billed` is what others in the session have already used.
        """
        job = _Job(session, first, text, billed or Usage(), partial(self._agents.is_resumable, session))
        while True:
            self._hand_over(job)
            if verdict := self._waiting.until_open(session, job.attempt):
                return job.cut_short(verdict)
            ended = self._make(job)
            step = self._next(job, ended)
            if step is None:
                return job.worked(ended)
            if verdict := self._too_dear(job) or self._waiting.between(session, job.attempt, step, ended):
                return job.cut_short(verdict)
            job.follow(step, ended)

    def _hand_over(self, job: _Job) -> None:
        """If the agent is known to be at its limit, give the attempt to a fallback that may start."""
        awaited = self._waiting.awaited_by(job.attempt.agent)
        step = None if awaited is None else fallback(job.tries, self._open_to(job))
        if awaited is None or step is None:
            return
        self._waiting.enter(job.session, job.attempt, detail=f"{step.agent} instead: {awaited.briefly}")
        job.hand_to(step)

    def _make(self, job: _Job) -> AgentOutcome:
        session, attempt, before = job.session, job.attempt, job.billed + job.used
        # Durable before it starts, but only once it is certain to start.
        if not attempt.is_fix and attempt != Attempt.of_implementer(session):
            self._journal.attempting(session.seq, attempt)
        began = self._clock.elapsed_s()
        order = self._orders.to_run(
            session, attempt, text=job.text, billed_usd=before.cost_usd, worked_s=job.worked_s
        )
        ended = self._agents.run(session, order, before=before)
        job.add(ended, self._clock.elapsed_s() - began)
        return ended

    def _next(self, job: _Job, ended: AgentOutcome) -> Again | Restart | Fallback | None:
        now = self._clock.now().timestamp()
        return next_attempt(ended, job.tries, self._open_to(job), now=now, jitter=self._jitter())

    def _open_to(self, job: _Job) -> Limits:
        """The limits, with only those fallbacks that may start now.

        A fixer gets none: its transcripts, unlike the session's own, do not say which agent took over.
        """
        if job.attempt.is_fix:
            return msgspec.structs.replace(self._limits, fallback=())
        return self._waiting.startable(self._limits)

    def _too_dear(self, job: _Job) -> Verdict | None:
        """The verdict on a session that has reached its own cap: no further attempt."""
        cap, cost_usd = self._orders.cap_usd(job.session), (job.billed + job.used).cost_usd
        if cap is None or cost_usd < cap:
            return None
        return Verdict(
            SessionStatus.ERROR, Reason.COST_CAP.because(f"{exact_money(cost_usd)} >= {exact_money(cap)}")
        )


class _Job:
    """The work so far of one agent and any that took over.

    `attempt` is the next one; `used` and `worked_s` are totals for those before it, `billed` is what others used.
    """

    def __init__(
        self,
        session: Assignment,
        first: Attempt,
        text: str,
        billed: Usage,
        is_resumable: Callable[[str], bool],
    ) -> None:
        self.session = session
        self.attempt = first
        self.text = text
        self.billed = billed
        self.tries = Tries(agents=(first.agent,))
        self.used = Usage()
        self.worked_s = 0.0
        self._last: AgentOutcome | None = None
        self._succession = Succession(session, is_resumable)

    def hand_to(self, step: Fallback) -> None:
        """Give this attempt, which has not begun, to another agent."""
        self.attempt = Attempt(agent=step.agent, nth=self.attempt.nth)
        self.tries = self.tries.after(step)

    def add(self, ended: AgentOutcome, seconds: float) -> None:
        """Add an attempt that ended after that many seconds of work."""
        self.used += ended.usage
        self.worked_s += seconds
        self.tries = self.tries.seen(ended)
        self._last = ended

    def follow(self, step: Again | Restart | Fallback, ended: AgentOutcome) -> None:
        """Move on to the attempt that `step` asks for."""
        self.tries = self.tries.after(step)
        self.attempt = self._succession.after(self.attempt, ended, step)

    def worked(self, last: AgentOutcome) -> Worked:
        """How the work ended."""
        return Worked(last=last, usage=self.used, agent=self.attempt.agent)

    def cut_short(self, verdict: Verdict) -> Worked:
        """How the work ended, with this verdict in place of the last attempt's."""
        last = self._last or AgentOutcome(status=verdict.status, usage=Usage())
        return self.worked(msgspec.structs.replace(last, status=verdict.status, reason=verdict.reason))
