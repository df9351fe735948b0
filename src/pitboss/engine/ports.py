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

        `on_start` is called before any event with the pid and its start time, unless the agent could not be started. It
        is called once, or once more where a CLI refused its command line and had to be started with an older one: the
        last call counts. `stop` is asked again and again while the agent runs. Raises StorageError when the transcript
        cannot be written, and whatever a callback raises, once the agent has been ended.
        """
        ...

    def bill(self, request: AgentRequest, *, started: bool = False) -> AgentOutcome:
        """Judge an agent whose runner died by its transcript alone: aborted, with the usage that `run` would report.

        `started` says that its process was seen: without a transcript the cost is then unknown, not zero.
        """
        ...


class Place(Protocol):
    """Where one session works, and how its work gets home (SPEC 1.2, 6).

    `landing.resilient` has real ones in git, `landing.in_memory` plays them; `tests/contracts/test_place_port.py`
    judges both. A place is used by its session's own thread. Everything may be repeated after a crash, on the place
    that a new process makes of the same assignment: what was done is found, and not done again.
    """

    @property
    def path(self) -> str:
        """The absolute path of the tree that the session works in."""
        ...

    def prepare(self) -> bool:
        """Have the tree as the session's base commit says, with nothing of others in it; what was left is rescued.

        False for a working copy that has yet to be provisioned. Raises GitFailed; then there is nothing to land or
        to rescue.
        """
        ...

    def provision(self) -> Sequence[str]:
        """Copy into a new working copy what git does not bring there; returns what to warn of. Raises GitFailed."""
        ...

    def provisioned(self) -> None:
        """The working copy is as sessions need it: what its set-up changed in files git knows is taken back.

        Until this is called, the working copy counts as new. Raises GitFailed.
        """
        ...

    def commit(self, message: str) -> None:
        """Put the session's work on a branch of its own, if it has one, so that its turn to land is short.

        Needs no turn. A failure is kept for `land`.
        """
        ...

    def is_behind(self) -> bool:
        """Whether others have landed what the session's tree does not hold. For the session's turn."""
        ...

    def catch_up(self, message: str) -> bool:
        """Bring that into the session's tree; False when it cannot be, as landing will then tell. For its turn."""
        ...

    def land(self, message: str) -> Landing:
        """Put the session's work on the run branch; what cannot go there is rescued, with the reason why.

        For the session's turn. Raises StorageError when the disk is full, and then may be repeated.
        """
        ...

    def rescue(self) -> Landing:
        """Keep all of the session's work under rescue refs, or where it is when even that fails; none of it lands.

        Raises StorageError when the disk is full, and then may be repeated.
        """
        ...

    def rescue_commits(self) -> Sequence[str]:
        """Rescue what the session committed, without a look at its tree; returns the refs."""
        ...

    def release(self) -> None:
        """Let others have the place; the session's record is durable. A place whose work is still there is kept."""
        ...


class Places(Protocol):
    """The places of one run. `at` and `turn` are for the sessions' threads, everything else is for the loop's."""

    def open(self) -> None:
        """The run is about to begin, again perhaps. Raises StartError, GitError."""
        ...

    def close(self) -> None:
        """No session will run any more: take down what only sessions need. Raises PitbossError."""
        ...

    def restore_checkout(self, name: str) -> object:
        """Check out what was before the run; returns what is checked out now. Raises StartError, GitError."""
        ...

    def reserve(self, seq: int, *, in_slot: bool) -> Location:
        """Choose where session `seq` works; nothing is made as yet.

        Raises StorageError when no session can work in the repository any more.
        """
        ...

    def at(self, session: Assignment) -> Place:
        """The place of a session: the same one until it is released."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Wait for one's turn to land: one session at a time, first come, first served."""
        ...

    def retry_rescue(self, seq: int, *, elsewhere: bool) -> None:
        """Rescue what a session with a record left where it was; `elsewhere`: it is not to be looked for any more."""
        ...
