"""Runs a session's agent, from the prompt to the outcome (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.embed import clean
from pitboss.core.events import Phase, PhaseChanged
from pitboss.core.session import IMPLEMENTER, Outcome, Reason, SessionStatus, Verdict
from pitboss.core.stops import StopRequest
from pitboss.core.summary import first_paragraph
from pitboss.engine.attempt import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pitboss.core.agent import AgentOutcome
    from pitboss.core.events import Observer
    from pitboss.core.session import Assignment
    from pitboss.engine.agent_files import AgentFiles
    from pitboss.engine.agent_orders import AgentOrders
    from pitboss.engine.control import Control
    from pitboss.engine.retrying import Retrying


class Implementing:
    """Lets a session's agent work on its prompt."""

    def __init__(
        self,
        retrying: Retrying,
        orders: AgentOrders,
        control: Control,
        files: AgentFiles,
        emit: Observer,
        now: Callable[[], datetime],
    ) -> None:
        self._retrying = retrying
        self._orders = orders
        self._control = control
        self._files = files
        self._emit = emit
        self._now = now

    def implement(self, session: Assignment, *, at_its_end: Callable[[], None] = lambda: None) -> Outcome:
        """Run the agent, repeatedly if need be, and say how it ended; `at_its_end` is called as soon as it has."""
        self._emit(PhaseChanged(seq=session.seq, phase=Phase.AGENT))
        first, text = Attempt.of_implementer(session), self._orders.implementer_text(session)
        worked = self._retrying.work(session, first, text=text)
        at_its_end()
        verdict = self._last_word(session, worked.last)
        return Outcome(
            status=verdict.status,
            reason=verdict.reason,
            summary=self._files.summary(session.seq),
            said=first_paragraph(self._files.redact(clean(worked.last.text or ""))),
            ended_at=max(session.started_at, self._now()),
            model=worked.last.model,
            agent=worked.agent,
            idle=worked.last.idle and not worked.usage.has_tokens,
        ).bill(IMPLEMENTER, worked.usage)

    def _last_word(self, session: Assignment, last: AgentOutcome) -> Verdict:
        """The verdict on the agent, which may have asked for a skip and ended before anyone looked."""
        by_itself = last.status in (SessionStatus.OK, SessionStatus.ERROR)
        if by_itself and self._control.take_last_word(session.seq) is StopRequest.SKIP:
            return Verdict(SessionStatus.SKIPPED, str(Reason.SKIPPED))
        return Verdict(last.status, last.reason)
