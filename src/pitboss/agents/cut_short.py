"""The verdict on an agent that was stopped: by a limit, by a person, or because it got nowhere (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.judgement import AgentVerdict, failed, stopped, too_late
from pitboss.agents.services.failures import reason_to_ask_again
from pitboss.core.session import Reason, SessionStatus
from pitboss.core.stops import StopRequest
from pitboss.process import EndedBy

if TYPE_CHECKING:
    from pitboss.agents.watch import AgentWatch
    from pitboss.core.agent import AgentRequest
    from pitboss.process import Exit


def verdict_on_cut_short(request: AgentRequest, watch: AgentWatch, ended: Exit) -> AgentVerdict | None:
    """The verdict on an agent that was stopped; None for one that ended by itself.

    An agent that had said that it was done is judged by that word, unless a person stopped it.
    """
    match ended.ended_by:
        case EndedBy.WALL_CLOCK:
            return watch.word or too_late(request.max_seconds)
        case EndedBy.STOPPED:
            return _on_stopped(watch, ended.stop)
        case _:
            return None


def _on_stopped(watch: AgentWatch, why: StopRequest | None) -> AgentVerdict:
    match why:
        case StopRequest.DONE | StopRequest.RUN_CAP if watch.word is not None:
            return watch.word
        case StopRequest.HOPELESS if watch.hopeless is not None:
            return watch.hopeless
        case StopRequest.STALLED if watch.reader.retrying is not None:
            return failed(reason_to_ask_again(watch.reader.retrying), watch.reader.retrying)
        case StopRequest.STALLED:
            reason = Reason.STALLED.because(f"no progress for {watch.idle_s or 0:g} s")
            return AgentVerdict(status=SessionStatus.TIMEOUT, reason=reason)
        case StopRequest.COST_CAP:
            spent = f"${watch.spent_usd:.4f} >= ${watch.cap_usd or 0:.4f}"
            return AgentVerdict(status=SessionStatus.ERROR, reason=Reason.COST_CAP.because(spent))
        case _:
            return stopped(why)
