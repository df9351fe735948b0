"""One agent process of a session, implementer or fixer, watched and on record while it lives (SPEC 6, 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.events import AgentStep

if TYPE_CHECKING:
    from pitboss.core.agent import AgentOutcome, AgentRequest
    from pitboss.engine.context import RunContext
    from pitboss.process import StopRequest


def run_agent(context: RunContext, seq: int, backend: str, request: AgentRequest) -> AgentOutcome:
    """Run an agent of session `seq` to its end; what people ask of the run reaches it.

    Its pid is noted at the first look at it, 0.1 s after its start: an agent that is gone by then costs
    no write, and until then the guardian and the environment marker know it.
    """
    unnoted: list[tuple[int, int | None]] = []

    def look() -> StopRequest | None:
        if unnoted:
            context.journal.started(seq, *unnoted.pop())
        return context.control.stop_session(seq)

    return context.agent(backend).run(
        request,
        on_start=lambda pid, started: unnoted.append((pid, started)),
        on_event=lambda event: context.emit(AgentStep(seq=seq, event=event)),
        stop=look,
    )
