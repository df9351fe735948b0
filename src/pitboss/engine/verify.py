"""Runs the project's tests before landing, and fixers when they fail (SPEC 6).

Repeatable after a crash: a fixer with a transcript was started, so it is billed from that and never runs again. Only
the tests do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from pitboss.core.events import Phase, PhaseChanged
from pitboss.core.host import HostLost
from pitboss.core.retry import dead_end
from pitboss.core.session import Reason, SessionStatus, Verdict
from pitboss.core.stops import StopRequest
from pitboss.core.usage import Usage
from pitboss.engine.agent_orders import FailedTests
from pitboss.engine.attempt import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pitboss.core.events import Observer
    from pitboss.core.session import Assignment, Outcome
    from pitboss.core.user_commands import TestCommand, TestResult
    from pitboss.engine.agent_orders import AgentOrders
    from pitboss.engine.billing import Billing
    from pitboss.engine.control import Control
    from pitboss.engine.documents import Documents
    from pitboss.engine.ports import Hosts
    from pitboss.engine.retrying import Retrying


class Tests(Protocol):
    """The project's tests, run on a session's work."""

    def find(self, session: Assignment) -> TestCommand | None:
        """How to run them; None if there are none."""
        ...

    def run(self, session: Assignment, tests: TestCommand | None, nth: int) -> TestResult:
        """Run them after fixer `nth`; 0 means before the first."""
        ...


class ProjectTests:
    """The tests in the session's tree; `command` is the configured way to run them."""

    def __init__(
        self,
        command: str | None,
        hosts: Hosts,
        control: Control,
        emit: Observer,
    ) -> None:
        self._command = command
        self._hosts = hosts
        self._control = control
        self._emit = emit

    def find(self, session: Assignment) -> TestCommand | None:
        """The configured tests, else those detected from the tree."""
        return self._hosts.of(session).find_tests(self._command)

    def run(self, session: Assignment, tests: TestCommand | None, nth: int) -> TestResult:
        """Run them, with a transcript of their own."""
        self._emit(PhaseChanged(seq=session.seq, phase=Phase.VERIFY))
        return self._hosts.of(session).run_tests(
            tests,
            f"verify-{nth:02}" if nth else "verify",
            stop=self._control.announced(lambda: self._control.stop_session(session.seq)),
        )


class Fixing:
    """Lets up to `most` fixers per session repair what its tests found."""

    def __init__(self, retrying: Retrying, orders: AgentOrders, emit: Observer, *, most: int) -> None:
        self._retrying = retrying
        self._orders = orders
        self._emit = emit
        self._most = most

    def may_fix(self, session: Assignment, outcome: Outcome) -> bool:
        """Whether the session may start another fixer."""
        cap = self._orders.cap_usd(session)
        left = cap is None or outcome.cost_usd < cap
        return session.fixer is not None and left and outcome.fixes < self._most

    def fix(
        self, session: Assignment, outcome: Outcome, failed: FailedTests
    ) -> tuple[Outcome, Verdict | None]:
        """Run the next fixer; returns the outcome with its bill, and a verdict if that settles it."""
        nth = outcome.fixes + 1
        self._emit(PhaseChanged(seq=session.seq, phase=Phase.FIX, detail=f"attempt {nth}", attempt=nth))
        tokens = outcome.tokens
        worked = self._retrying.work(
            session,
            Attempt.of_fixer(session, nth),
            text=self._orders.fixer_text(session, failed),
            billed=Usage(input=tokens.input, output=tokens.output, cost_usd=outcome.cost_usd),
        )
        return outcome.bill_fix(worked.usage), _final(worked.last.status, worked.last.reason)


class Verifier:
    """Tests a session's work, and has fixers repair it."""

    def __init__(
        self,
        tests: Tests,
        fixing: Fixing,
        billing: Billing,
        documents: Documents,
        now: Callable[[], datetime],
    ) -> None:
        self._tests = tests
        self._fixing = fixing
        self._billing = billing
        self._documents = documents
        self._now = now

    def is_due(self, session: Assignment) -> bool:
        """Whether the session's prompt asks for tests; a deleted prompt does not."""
        prompt = self._documents.of(session)
        return prompt is not None and prompt.meta.verify

    def await_tests(self, session: Assignment, outcome: Outcome) -> Outcome:
        """The outcome of an agent, marked as not verified if tests are due."""
        due = outcome.status is SessionStatus.OK and self.is_due(session)
        return msgspec.structs.replace(outcome, verified=not due)

    def verify(self, session: Assignment, outcome: Outcome) -> Outcome:
        """Run the tests, and a fixer each time they fail while one may start; returns the final outcome."""
        outcome = self._billing.fixers(session, outcome)
        verdict = None
        try:
            tests = self._tests.find(session)
            while verdict is None:
                result = self._tests.run(session, tests, outcome.fixes)
                verdict = self._verdict(session, outcome, result)
                if verdict is None:
                    failed = FailedTests(command=str(tests), output=result.tail)
                    outcome, verdict = self._fixing.fix(session, outcome, failed)
        except HostLost as lost:
            verdict = Verdict(SessionStatus.ABORTED, str(lost))
        return self._judged(outcome, verdict)

    def _verdict(self, session: Assignment, outcome: Outcome, result: TestResult) -> Verdict | None:
        """The verdict that the tests come to; None if a fixer may repair what they found."""
        if result.passed:
            return Verdict(SessionStatus.OK)
        if result.stop is not None:
            return _stopped(result.stop)
        may_fix = self._documents.of(session) is not None and self._fixing.may_fix(session, outcome)
        if result.found and may_fix:
            return None
        return Verdict(SessionStatus.ERROR, Reason.VERIFY_FAILED.because(result.failing))

    def _judged(self, outcome: Outcome, verdict: Verdict) -> Outcome:
        return msgspec.structs.replace(
            outcome,
            status=verdict.status,
            reason=verdict.reason,
            ended_at=max(outcome.ended_at, self._now()),
            verified=True,
        )


def _final(status: SessionStatus, reason: str | None) -> Verdict | None:
    """The verdict on a session whose fixer ended like this, if that settles it."""
    if status in (SessionStatus.ABORTED, SessionStatus.SKIPPED):
        return Verdict(status, reason)
    capped = reason is not None and reason.startswith(Reason.COST_CAP)
    hopeless = status is SessionStatus.ERROR and (dead_end(reason) or capped)
    return Verdict(SessionStatus.ERROR, reason) if hopeless else None


def _stopped(stop: StopRequest) -> Verdict:
    if stop is StopRequest.SKIP:
        return Verdict(SessionStatus.SKIPPED, str(Reason.SKIPPED))
    return Verdict(SessionStatus.ABORTED, str(Reason.ABORTED))
