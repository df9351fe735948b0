"""The verdict on an agent that was stopped: by a limit, by a person, or because it got nowhere (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.judgement import AgentExit, AgentVerdict, failed, stopped, too_late
from pitboss.agents.services.failures import reason_to_ask_again
from pitboss.core.measures import exact_money
from pitboss.core.session import Reason, SessionStatus, reason_kind
from pitboss.core.stops import StopRequest
from pitboss.process import EndedBy

if TYPE_CHECKING:
    from pitboss.agents.monitor import AgentMonitor
    from pitboss.core.agent import AgentRequest
    from pitboss.process import Exit

_OF_SERVICES = (Reason.RATE_LIMITED, Reason.BILLING, Reason.AUTH, Reason.OVERLOADED)


def verdict_on_cut_short(request: AgentRequest, monitor: AgentMonitor, ended: Exit) -> AgentVerdict | None:
    """The verdict on an agent that was stopped; None for one that ended on its own.

    An agent that had said it was done is taken at its word, unless a person stopped it.
    """
    match ended.ended_by:
        case EndedBy.WALL_CLOCK:
            return monitor.word or too_late(request.max_seconds)
        case EndedBy.STOPPED:
            return _on_stopped(monitor, ended.stop)
        case _:
            return None


def _on_stopped(monitor: AgentMonitor, why: StopRequest | None) -> AgentVerdict:
    match why:
        case StopRequest.DONE | StopRequest.RUN_CAP if monitor.word is not None:
            return monitor.word
        case StopRequest.HOPELESS if monitor.hopeless is not None:
            return monitor.hopeless
        case StopRequest.STALLED if monitor.reader.retrying is not None:
            return failed(reason_to_ask_again(monitor.reader.retrying), monitor.reader.retrying)
        case StopRequest.STALLED:
            return _trouble(monitor) or _stalled(monitor)
        case StopRequest.COST_CAP:
            spent = f"{exact_money(monitor.spent_usd)} >= {exact_money(monitor.cap_usd or 0.0)}"
            return AgentVerdict(status=SessionStatus.ERROR, reason=Reason.COST_CAP.because(spent))
        case _:
            return stopped(why)


def _trouble(monitor: AgentMonitor) -> AgentVerdict | None:
    """The verdict on a silent agent whose last word was trouble with its service: as if it had exited then."""
    verdict = monitor.reader.verdict(AgentExit(code=1))
    return verdict if reason_kind(verdict.reason) in _OF_SERVICES else None


def _stalled(monitor: AgentMonitor) -> AgentVerdict:
    reason = Reason.STALLED.because(f"no progress for {monitor.idle_s or 0:g} s")
    return AgentVerdict(status=SessionStatus.TIMEOUT, reason=reason)
