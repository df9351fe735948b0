"""Runs a session's agents, with their pids in the journal and people's requests within reach (SPEC 6, 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.events import AgentStep, Warned, quota_seen

if TYPE_CHECKING:
    from pitboss.core.agent import AgentEvent, AgentOrder, AgentOutcome
    from pitboss.core.events import Observer
    from pitboss.core.session import Assignment
    from pitboss.core.stops import StopRequest
    from pitboss.core.usage import Usage
    from pitboss.engine.control import Control
    from pitboss.engine.gate import Gate
    from pitboss.engine.journal import Journal
    from pitboss.engine.ports import Hosts
    from pitboss.engine.spending import Spending


class SessionAgents:
    """Runs agents on their sessions' hosts, and passes requests on to them."""

    def __init__(
        self,
        hosts: Hosts,
        journal: Journal,
        control: Control,
        spending: Spending,
        gate: Gate,
        emit: Observer,
    ) -> None:
        self._hosts = hosts
        self._journal = journal
        self._control = control
        self._spending = spending
        self._gate = gate
        self._emit = emit

    def is_resumable(self, session: Assignment, name: str) -> bool:
        """Whether the agent can resume a session of its own."""
        return self._hosts.of(session).is_resumable(name)

    def run(self, session: Assignment, order: AgentOrder, *, before: Usage) -> AgentOutcome:
        """Run an agent of the session to its end; `before` is what the session has used so far.

        The agent's pid is written at the first look, 0.1 s after its start: an agent that is gone by then costs
        no write, and until then the guardian and the environment marker can find it.
        """
        seq = session.seq
        unnoted: list[tuple[int, int | None]] = []

        def started(pid: int, at: int | None) -> None:
            # Only the latest counts: it replaces a process that refused an option.
            unnoted[:] = [(pid, at)]

        def look() -> StopRequest | None:
            if unnoted:
                self._journal.started(seq, *unnoted.pop())
            self._control.listen()
            return self._control.stop_session(seq) or self._over_budget()

        ended = self._hosts.of(session).run_agent(
            order,
            on_start=started,
            on_event=lambda event: self._hear(seq, order.agent, event, before),
            stop=self._control.announced(look, self._spending.until_end_s),
        )
        if ended.warning is not None:
            self._emit(Warned(text=f"session {seq}: {ended.warning}"))
        return ended

    def _over_budget(self) -> StopRequest | None:
        """Why the run's budgets end the session, if they do; the bell has the others check too."""
        request = self._spending.stop_session()
        if request is not None:
            self._control.bell.ring()
        return request

    def _hear(self, seq: int, name: str, event: AgentEvent, before: Usage) -> None:
        used = None if event.usage is None else before + event.usage
        if used is not None:
            self._spending.show(seq, used)
        if event.quota is not None:
            self._gate.noted(name, event.quota)
            self._journal.noted(name, event.quota)
            self._emit(quota_seen(name, event.quota))
        self._emit(AgentStep(seq=seq, event=event, used=used))
