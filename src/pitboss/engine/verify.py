"""The project's tests before landing, and the fixer when they fail (SPEC 6).

Repeatable after a crash: a fixer whose transcript exists was started, so it is billed from that
transcript and never run again; only the tests are run anew.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import msgspec

from pitboss.checks import find_tests, run_tests
from pitboss.core.events import Phase, PhaseChanged
from pitboss.core.retry import dead_end
from pitboss.core.session import FIXER, Reason, SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.core.usage import Usage
from pitboss.engine.request import FailedTests, fixer, fixer_text, process_environment
from pitboss.engine.retrying import bill, work
from pitboss.store.opening import status

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.checks import TestCommand, TestResult
    from pitboss.core.session import Assignment, Outcome
    from pitboss.engine.context import RunContext


def verify(context: RunContext, session: Assignment, outcome: Outcome) -> Outcome:
    """Run the tests, and the fixer up to `fixer_max_attempts` times; return the outcome with the verdict."""
    tests = find_tests(context.places.at(session).path, context.config.test_command)
    outcome = bill_fixers(context, session, outcome)
    attempt = outcome.fixes
    while True:
        result = _run_tests(context, session, tests, attempt)
        if result.passed:
            return _judged(context, outcome)
        if result.stop is not None:
            return _stopped(context, outcome, result.stop)
        if not (result.found and _may_fix(context, session, outcome, attempt)):
            return _judged(context, outcome, Reason.VERIFY_FAILED.because(result.failing))
        attempt += 1
        failed = FailedTests(command=str(tests), output=result.tail)
        outcome = _fix(context, session, outcome, attempt, failed)
        if outcome.verified:
            return outcome


def _fix_path(context: RunContext, session: Assignment, attempt: int) -> Path:
    return context.paths.transcript(session.seq, fixer(session, attempt).kind)


def bill_fixers(context: RunContext, session: Assignment, outcome: Outcome) -> Outcome:
    """Add the fixers that were started, and of which `outcome` knows nothing yet, by transcript or by process."""
    billed, begun = outcome.fixes, context.journal.progress(session.seq).begun
    started = next(n for n in count(billed) if status(_fix_path(context, session, n + 1)) is None)
    started = max(started, billed + begun)
    for nth in range(billed + 1, started + 1):
        # Nobody can tell by whom to bill what an unknown fixer did.
        used = Usage(cost_known=False)
        if session.fixer is not None:
            used = bill(context, session, fixer(session, nth), begun=begun).usage
        outcome = _with_fix(outcome, used)
    return outcome


def _with_fix(outcome: Outcome, usage: Usage) -> Outcome:
    return msgspec.structs.replace(outcome.bill(FIXER, usage), fixes=outcome.fixes + 1)


def _run_tests(
    context: RunContext, session: Assignment, tests: TestCommand | None, attempt: int
) -> TestResult:
    context.emit(PhaseChanged(seq=session.seq, phase=Phase.VERIFY))
    kind = "verify" if attempt == 0 else f"verify-{attempt:02}"
    return run_tests(
        tests,
        cwd=context.places.at(session).path,
        env=process_environment(context, session),
        transcript=str(context.paths.transcript(session.seq, kind)),
        stop=lambda: context.control.stop_session(session.seq),
    )


def _may_fix(context: RunContext, session: Assignment, outcome: Outcome, started: int) -> bool:
    prompt = context.prompts.get(session.prompt)
    if prompt is None or session.fixer is None:
        return False
    cap = prompt.meta.max_session_cost_usd
    left = cap is None or outcome.cost_usd < cap
    return left and started < context.config.fixer_max_attempts


def _fix(
    context: RunContext, session: Assignment, outcome: Outcome, attempt: int, failed: FailedTests
) -> Outcome:
    context.emit(PhaseChanged(seq=session.seq, phase=Phase.FIX, detail=f"attempt {attempt}", attempt=attempt))
    text = fixer_text(context, session, failed)
    # The session's transcripts say which agent it fell back to, those of its fixers do not.
    limits = msgspec.structs.replace(context.config.limits, fallback=())
    tokens = outcome.tokens
    billed = Usage(input=tokens.input, output=tokens.output, cost_usd=outcome.cost_usd)
    worked = work(context, session, fixer(session, attempt), limits, text=text, billed=billed)
    outcome, last = _with_fix(outcome, worked.usage), worked.last
    if last.status in (SessionStatus.ABORTED, SessionStatus.SKIPPED):
        return _judged(context, outcome, last.reason, status=last.status)
    if last.status is SessionStatus.ERROR and (dead_end(last.reason) or _is_capped(last.reason)):
        return _judged(context, outcome, last.reason)
    return outcome


def _is_capped(reason: str | None) -> bool:
    return reason is not None and reason.startswith(Reason.COST_CAP)


def _stopped(context: RunContext, outcome: Outcome, stop: StopRequest) -> Outcome:
    if stop is StopRequest.SKIP:
        return _judged(context, outcome, str(Reason.SKIPPED), status=SessionStatus.SKIPPED)
    return _judged(context, outcome, str(Reason.ABORTED), status=SessionStatus.ABORTED)


def _judged(
    context: RunContext,
    outcome: Outcome,
    reason: str | None = None,
    *,
    status: SessionStatus = SessionStatus.ERROR,
) -> Outcome:
    return msgspec.structs.replace(
        outcome,
        status=SessionStatus.OK if reason is None else status,
        reason=reason,
        ended_at=max(outcome.ended_at, context.clock()),
        verified=True,
    )
