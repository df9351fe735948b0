"""Waits before an attempt starts, unless something ends the wait early (SPEC 6)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.events import Phase, PhaseChanged
from pitboss.core.retry import SETTLING_S, UNKNOWN_RESET_S, Again, Cause, Fallback, Restart, limit_ahead
from pitboss.core.session import Reason, SessionStatus, Verdict, reason_kind
from pitboss.core.stops import StopLevel, StopRequest

if TYPE_CHECKING:
    from pitboss.core.agent import AgentOutcome
    from pitboss.core.config import Limits
    from pitboss.core.events import Observer
    from pitboss.core.session import Assignment
    from pitboss.engine.attempt import Attempt
    from pitboss.engine.clock import Clock
    from pitboss.engine.control import Control
    from pitboss.engine.gate import Gate
    from pitboss.engine.journal import Journal
    from pitboss.engine.spending import Spending

LOOK_S = 1.0
"""Seconds between two looks at the clock, which jumps when a machine wakes up. Requests ring the bell."""


class Awaited(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent waits for, and `why`: how its last attempt ended."""

    cause: Cause
    agent: str
    why: str | None = None

    @property
    def briefly(self) -> str:
        """What it waits for, in a few words."""
        match self.cause:
            case Cause.LIMIT:
                return f"{self.agent}'s usage limit"
            case Cause.OUTAGE:
                return f"{self.agent}'s service"
            case Cause.LOGIN | Cause.RETRY:
                return str(Cause.RETRY)

    @property
    def detail(self) -> str:
        """The same, and why; for a limit, the first part says enough."""
        return self.briefly if self.cause is Cause.LIMIT or not self.why else f"{self.briefly}: {self.why}"

    def cut_short(self) -> Verdict:
        """The verdict on a session that was stopped while it waited."""
        words = f"stopped while it waited for {self.briefly}"
        match self.cause:
            case Cause.LIMIT:
                reason = Reason.RATE_LIMITED.because(words)
            case Cause.OUTAGE:
                reason = Reason.OVERLOADED.because(words)
            case Cause.LOGIN | Cause.RETRY:
                reason = str(Reason.ABORTED)
        return Verdict(SessionStatus.ABORTED, reason)


class Waiting:
    """Holds back attempts whose agent is at its limit or unreachable, and retries after a failure."""

    def __init__(
        self,
        gate: Gate,
        journal: Journal,
        control: Control,
        spending: Spending,
        emit: Observer,
        clock: Clock,
    ) -> None:
        self._gate = gate
        self._journal = journal
        self._control = control
        self._spending = spending
        self._emit = emit
        self._clock = clock

    def awaited_by(self, agent: str) -> Awaited | None:
        """What `agent` must wait for, judging by another session or its quota; None if it may start now."""
        if self._opens_at(agent) is None:
            return None
        return Awaited(cause=self._gate.cause(agent), agent=agent)

    def startable(self, limits: Limits) -> Limits:
        """`limits` with only those fallbacks that may start now."""
        names = tuple(name for name in limits.fallback if self._opens_at(name) is None)
        return msgspec.structs.replace(limits, fallback=names)

    def until_open(self, session: Assignment, attempt: Attempt) -> Verdict | None:
        """Wait until the agent of `attempt` may start; returns a verdict if the session was stopped meanwhile."""
        while (until := self._opens_at(attempt.agent)) is not None:
            awaited = Awaited(cause=self._gate.cause(attempt.agent), agent=attempt.agent)
            if verdict := self._wait(session, until, awaited):
                return verdict
            self.enter(session, attempt)
        return None

    def between(
        self, session: Assignment, attempt: Attempt, step: Again | Restart | Fallback, ended: AgentOutcome
    ) -> Verdict | None:
        """Do what `step` asks for between `attempt`, which `ended`, and the next one; returns like `until_open`."""
        match step:
            case Restart():
                self.enter(session, attempt, detail=f"{attempt.agent} starts over: {ended.reason}")
            case Fallback(agent=agent):
                self._close_limited(attempt.agent, ended)
                self.enter(session, attempt, detail=f"{agent} goes on: {ended.reason}")
            case Again():
                return self._before_again(session, attempt, step, ended)
        return None

    def enter(self, session: Assignment, attempt: Attempt, detail: str = "") -> None:
        """Tell viewers that the session is on this attempt."""
        phase = Phase.FIX if attempt.is_fix else Phase.AGENT
        self._emit(PhaseChanged(seq=session.seq, phase=phase, detail=detail, attempt=attempt.nth))

    def _before_again(
        self, session: Assignment, attempt: Attempt, step: Again, ended: AgentOutcome
    ) -> Verdict | None:
        until = self._now_s() + step.after_s
        if step.dated:
            self._gate.close(attempt.agent, until, step.cause)
        awaited = Awaited(cause=step.cause, agent=attempt.agent, why=ended.reason)
        if verdict := self._wait(session, until, awaited):
            return verdict
        self.enter(session, attempt)
        return None

    def _close_limited(self, agent: str, ended: AgentOutcome) -> None:
        kind, now = reason_kind(ended.reason), self._now_s()
        if kind not in (Reason.RATE_LIMITED, Reason.OVERLOADED):
            return
        end = limit_ahead(ended.resets_at, now)
        until = (now + UNKNOWN_RESET_S if end is None else end) + SETTLING_S
        self._gate.close(agent, until, Cause.OUTAGE if kind is Reason.OVERLOADED else Cause.LIMIT)

    def _wait(self, session: Assignment, until: float, awaited: Awaited) -> Verdict | None:
        """Wait until `until`, epoch seconds; the clock runs on while the machine sleeps. A stop ends the wait."""
        began = self._clock.now()
        moment = datetime.fromtimestamp(until, tz=UTC)
        self._journal.waiting(session.seq, began, moment, begun=awaited.why is not None)
        self._emit(PhaseChanged(seq=session.seq, phase=Phase.WAIT, detail=awaited.detail, until=moment))
        try:
            with self._control.bell.heard() as rung:
                while (left := until - self._now_s()) > 0:
                    rung.clear()
                    self._control.listen()
                    if verdict := self._stopped(session, awaited):
                        return verdict
                    self._clock.sleep(min(left, LOOK_S), rung)
        finally:
            waited_s = (self._clock.now() - began).total_seconds()
            self._journal.waited(session.seq, max(0.0, waited_s))
        return None

    def _stopped(self, session: Assignment, awaited: Awaited) -> Verdict | None:
        """The verdict if the wait must end: a drain allows the seconds before a retry, but not a wait of hours."""
        stop = self._control.stop_session(session.seq)
        if stop is StopRequest.SKIP:
            return Verdict(SessionStatus.SKIPPED, str(Reason.SKIPPED))
        at_once = stop is not None or self._spending.stop_session() is not None
        return awaited.cut_short() if at_once or (awaited.cause.is_long and self._is_ending()) else None

    def _is_ending(self) -> bool:
        """Whether those in flight are the last sessions."""
        asked = self._control.level() is not StopLevel.NONE
        return self._spending.is_past_end() or self._gate.closing or asked

    def _opens_at(self, agent: str) -> float | None:
        return self._gate.opens_at(agent, self._now_s())

    def _now_s(self) -> float:
        return self._clock.now().timestamp()
