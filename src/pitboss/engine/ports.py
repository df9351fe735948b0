"""What the engine needs from the outside, as protocols; `app` hands it the real things."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from pitboss.core.agent import AgentEvent, AgentOutcome, AgentRequest
    from pitboss.core.session import Assignment, Landing, Location
    from pitboss.core.stops import StopRequest


class Agent(Protocol):
    """A coding agent: one request, one outcome (SPEC 6).

    `agents.driver` runs real ones, `agents.scripted` plays one; `tests/contracts/test_agent_port.py` judges both.
    """

    name: str

    @property
    def resumable(self) -> bool:
        """Whether the agent can resume a session of its own."""
        ...

    def run(
        self,
        request: AgentRequest,
        *,
        on_start: Callable[[int, int | None], None],
        on_event: Callable[[AgentEvent], None],
        stop: Callable[[], StopRequest | None],
    ) -> AgentOutcome:
        """Run the agent to its end, which is always an outcome.

        `on_start` is called once, before any event, with the pid and its start time, unless the agent could not be
        started. `stop` is asked again and again while the agent runs. Raises StorageError when the transcript
        cannot be written, and whatever a callback raises, once the agent has been ended.
        """
        ...

    def bill(self, request: AgentRequest, *, started: bool = False) -> AgentOutcome:
        """Judge an agent whose runner died by its transcript alone: aborted, with the usage that `run` would report.

        `started` says that its process was seen: without a transcript the cost is then unknown, not zero.
        """
        ...


class Workspace(Protocol):
    """The places where sessions work, and how their work lands or is rescued.

    `reserve` is for the loop's thread, everything else for the session's own. All but `reserve` may be repeated
    after a crash, by a new process.
    """

    def open(self) -> None:
        """The run is about to begin, again perhaps."""
        ...

    def go_back(self, name: str) -> object:
        """Check out what was before the run; returns what is checked out now."""
        ...

    def close(self) -> None:
        """No session will run any more: take down what only sessions need."""
        ...

    def reserve(self, seq: int, *, in_slot: bool) -> Location:
        """Choose the place of session `seq`; nothing is made as yet."""
        ...

    def path(self, session: Assignment) -> str:
        """The absolute path of the tree that the session works in."""
        ...

    def prepare(self, session: Assignment) -> bool:
        """Make the session's place ready; False for a working copy that has yet to be furnished."""
        ...

    def furnish(self, session: Assignment) -> Sequence[str]:
        """Copy into a new working copy what git does not bring there; returns what to warn of."""
        ...

    def furnished(self, session: Assignment) -> None:
        """The working copy is as sessions need it; what that changed in files that git knows is taken back."""
        ...

    def commit(self, session: Assignment, message: str) -> None:
        """Put the session's work on a branch of its own, if it has one, so that its turn to land is short."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Wait for one's turn to land: one session at a time, first come, first served."""
        ...

    def is_behind(self, session: Assignment) -> bool:
        """Whether others have landed what the session's tree does not hold."""
        ...

    def catch_up(self, session: Assignment, message: str) -> bool:
        """Bring that into the session's tree; False when it cannot be, as landing will then tell."""
        ...

    def land(self, session: Assignment, message: str) -> Landing:
        """Put the session's work on the run branch; what cannot go there is rescued."""
        ...

    def rescue(self, session: Assignment) -> Landing:
        """Keep all of the session's work under rescue refs."""
        ...

    def rescue_left(self, seq: int, *, elsewhere: bool) -> None:
        """Rescue what a session with a record left where it was; `elsewhere`: it is not to be looked for any more."""
        ...

    def take_back(self, session: Assignment) -> Sequence[str]:
        """Rescue what the session committed, without a look at its tree; returns the refs."""
        ...

    def release(self, session: Assignment) -> None:
        """Nobody needs the session's place any more."""
        ...
