"""What the engine needs from the outside, as protocols; `app` hands it the real things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.agent import AgentEvent, AgentOutcome, AgentRequest
    from pitboss.core.session import InFlight, Landing
    from pitboss.process import StopRequest


class Agent(Protocol):
    """One coding agent behind the shared driver (SPEC 6)."""

    name: str

    def run(
        self,
        request: AgentRequest,
        *,
        on_start: Callable[[int, int | None], None],
        on_event: Callable[[AgentEvent], None],
        stop: Callable[[], StopRequest | None],
    ) -> AgentOutcome:
        """Run the agent to its end; `on_start` gets pid and start time as soon as it lives."""
        ...

    def bill(self, request: AgentRequest, *, started: bool = False) -> AgentOutcome:
        """Judge an agent whose runner died by its transcript alone: usage, model, last words.

        `started`: its process was seen, so that a transcript that is gone is a cost that is not known.
        """
        ...


class Workspace(Protocol):
    """Where a session works and how its work lands or is rescued; every call may be repeated after a crash."""

    path: str

    def begin(self, seq: int) -> str:
        """Return the commit that session `seq` starts from."""
        ...

    def land(self, session: InFlight, message: str) -> Landing:
        """Put the session's work on the run branch; what cannot go there is rescued."""
        ...

    def rescue(self, session: InFlight) -> Landing:
        """Keep all of the session's work under rescue refs and put the tree back as it was."""
        ...
