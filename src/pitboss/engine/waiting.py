"""Waits between two attempts of a session, and what ends them before their time (SPEC 6)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.events import Phase, PhaseChanged
from pitboss.core.retry import Cause
from pitboss.core.session import Reason, SessionStatus
from pitboss.core.stops import StopLevel, StopRequest
from pitboss.engine.watching import over_budget

if TYPE_CHECKING:
    from pitboss.core.session import Assignment
    from pitboss.engine.context import RunContext

POLL_S = 0.25


class Stopped(msgspec.Struct, frozen=True):
    """How a session ends that was stopped while it waited."""

    status: SessionStatus
    reason: str


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent waits for, and `why`: how its last attempt ended."""

    cause: Cause
    agent: str
    why: str | None = None

    @property
    def awaited(self) -> str:
        """What it waits for, in few words."""
        match self.cause:
            case Cause.LIMIT:
                return f"{self.agent}'s usage limit"
            case Cause.OUTAGE:
                return f"{self.agent}'s service"
            case Cause.LOGIN | Cause.RETRY:
                return "retry"

    @property
    def detail(self) -> str:
        """The same, and why: a limit says enough by itself."""
        return self.awaited if self.cause is Cause.LIMIT or not self.why else f"{self.awaited}: {self.why}"


def wait_until(context: RunContext, session: Assignment, until: float, wait: Wait) -> Stopped | None:
    """Wait until `until`, epoch seconds, by the clock, which goes on while a machine sleeps.

    A stop that was asked for ends it.
    """
    began = context.clock()
    moment = datetime.fromtimestamp(until, tz=UTC)
    context.journal.waiting(session.seq, began, moment, begun=wait.why is not None)
    context.emit(PhaseChanged(seq=session.seq, phase=Phase.WAIT, detail=wait.detail, until=moment))
    try:
        while (left := until - context.clock().timestamp()) > 0:
            context.control.listen()
            if stopped := _stopped(context, session, wait):
                return stopped
            time.sleep(min(left, POLL_S))
    finally:
        waited_s = (context.clock() - began).total_seconds()
        context.journal.waited(session.seq, max(0.0, waited_s))
    return None


def _stopped(context: RunContext, session: Assignment, wait: Wait) -> Stopped | None:
    """Whoever lets a run end waits for the seconds before a retry, but not for what may take hours."""
    stop = context.control.stop_session(session.seq)
    if stop is StopRequest.SKIP:
        return Stopped(SessionStatus.SKIPPED, str(Reason.SKIPPED))
    at_once = stop is not None or over_budget(context) is not None
    if not at_once and not (wait.cause.is_long and _is_ending(context)):
        return None
    words = f"stopped while it waited for {wait.awaited}"
    match wait.cause:
        case Cause.LIMIT:
            reason = Reason.RATE_LIMITED.because(words)
        case Cause.OUTAGE:
            reason = Reason.OVERLOADED.because(words)
        case Cause.LOGIN | Cause.RETRY:
            reason = str(Reason.ABORTED)
    return Stopped(SessionStatus.ABORTED, reason)


def _is_ending(context: RunContext) -> bool:
    """Whether no session will follow those in flight."""
    late = context.caps.until is not None and context.clock() >= context.caps.until
    return late or context.gate.closing or context.control.level() is not StopLevel.NONE
