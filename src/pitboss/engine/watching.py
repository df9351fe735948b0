"""One agent process of a session, implementer or fixer, watched and on record while it lives (SPEC 6, 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.events import AgentStep, quota_seen
from pitboss.core.stops import StopRequest

if TYPE_CHECKING:
    from pitboss.core.agent import AgentEvent, AgentOutcome, AgentRequest
    from pitboss.core.usage import Usage
    from pitboss.engine.context import RunContext


def run_agent(
    context: RunContext, seq: int, backend: str, request: AgentRequest, *, before: Usage
) -> AgentOutcome:
    """Run an agent of session `seq` to its end; what people ask of the run reaches it.

    `before` is what the session used until now. The agent's pid is noted at the first look at it, 0.1 s after
    its start: an agent that is gone by then costs no write, and until then the guardian and the environment
    marker know it.
    """
    unnoted: list[tuple[int, int | None]] = []

    def look() -> StopRequest | None:
        if unnoted:
            context.journal.started(seq, *unnoted.pop())
        context.control.listen()
        return context.control.stop_session(seq) or over_budget(context)

    def hear(event: AgentEvent) -> None:
        used = None if event.usage is None else before + event.usage
        if used is not None:
            context.meter.show(seq, used)
        if event.quota is not None:
            context.gate.noted(backend, event.quota)
            context.journal.noted(backend, event.quota)
            context.emit(quota_seen(backend, event.quota))
        context.emit(AgentStep(seq=seq, event=event, used=used))

    return context.agent(backend).run(
        request,
        on_start=lambda pid, started: unnoted.append((pid, started)),
        on_event=hear,
        stop=look,
    )


def over_budget(context: RunContext) -> StopRequest | None:
    """With hard budgets, a cap of the run ends what is in flight as well; what runs out of time failed at nothing."""
    if not context.config.hard_budgets:
        return None
    over = context.meter.exceeded(*context.journal.spent(), context.clock())
    if over is None:
        return None
    return StopRequest.ABORT if over.cap == "until" else StopRequest.RUN_CAP
