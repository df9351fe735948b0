"""What the engine needs from the outside, as protocols; `app` hands it the real things.

What a session is given crosses to its host as values, and its work comes home as git objects: neither names a path of
that machine. So a host may be another machine than the runner's, where the work lands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from pitboss.core.agent import AgentEvent, AgentOrder, AgentOutcome
    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.session import Assignment, Landing, Location
    from pitboss.core.stops import StopRequest
    from pitboss.core.user_commands import HookRequest, HookResult, TestCommand, TestResult


class Host(Protocol):
    """The machine of one session: its tree is there, and there its processes run (SPEC 6).

    `hosts.this_machine` is real, `hosts.scripted` plays one; `tests/contracts/test_host_port.py` judges both. A host
    is used by its session's own thread; after a crash, by the thread that recovers the run. Every callback is called in
    that thread. `stop` is asked again and again while something runs; once it names a request, the whole process tree
    is ended.

    The files that a session shares with its runner have the names of `store.paths`. Its processes find the notes that
    the runner gave it. What they write is in the runner's run directory: transcripts while they grow; summary, notes
    and usage when the method returns; a skip file as soon as it is there.
    """

    @property
    def name(self) -> str:
        """What people call the machine."""
        ...

    def is_resumable(self, agent: str) -> bool:
        """Whether the agent can resume a session of its own. Raises StartError when there is no such agent."""
        ...

    def run_agent(
        self,
        order: AgentOrder,
        *,
        on_start: Callable[[int, int | None], None],
        on_event: Callable[[AgentEvent], None],
        stop: Callable[[], StopRequest | None],
    ) -> AgentOutcome:
        """Run an agent in the session's tree to its end, which is always an outcome.

        Never repeated: each start of an agent has a kind of transcript of its own. `on_start` and `on_event` are called
        as `core.agent.Agent` says. Raises StartError when there is no such agent, StorageError when the transcript
        cannot be written, and whatever a callback raises, once the agent has been ended.
        """
        ...

    def bill_agent(self, order: AgentOrder, *, started: bool) -> AgentOutcome:
        """Judge an agent whose runner died: aborted, with the usage that `run_agent` would have reported.

        `started` says that its process was seen. Runs nothing, and may be repeated. Raises StartError.
        """
        ...

    def run_hook(self, hook: HookRequest, *, stop: Callable[[], StopRequest | None]) -> HookResult:
        """Run a hook, or the set-up of a working copy, in the session's tree; how it ends is always a result.

        Never repeated. Raises StorageError when the transcript cannot be written.
        """
        ...

    def find_tests(self, command: str | None) -> TestCommand | None:
        """The project's tests: the configured `command`, else by the files in the session's tree; None without any."""
        ...

    def run_tests(
        self, tests: TestCommand | None, kind: str, *, stop: Callable[[], StopRequest | None]
    ) -> TestResult:
        """Run the tests in the session's tree, with a transcript of that kind; without any they fail.

        May be repeated; the transcript grows. Raises StorageError when it cannot be written.
        """
        ...

    def is_running(self, pid: int, pid_started: int) -> bool:
        """Whether the process that `run_agent` reported lives; another one that has its pid by now is not meant."""
        ...

    def end_process(self, pid: int, pid_started: int | None) -> None:
        """End that process and all below it, if it lives, within seconds. May be repeated."""
        ...


class Hosts(Protocol):
    """The hosts of one run. `of` is for any thread, `end_strays` for the one that recovers the run."""

    def of(self, session: Assignment) -> Host:
        """The host of a session: the same one from its dispatch to its record, and after a crash."""
        ...

    def end_strays(self, run_id: str, *, since: float) -> bool:
        """End what a dead run left on any of its hosts: processes that carry its marker, whoever their parent is.

        `since` is when the first of them may have begun, in seconds since the epoch. Returns within seconds whether
        there were any. May be repeated.
        """
        ...


class Place(Protocol):
    """Where one session works, and how its work gets home (SPEC 1.2, 6).

    The tree is on the session's host, and so is all that is done to it; the run branch and the rescue refs are in the
    runner's repository, which gets what was committed as git objects.

    `landing.resilient` has real ones in git, `landing.in_memory` plays them; `tests/contracts/test_place_port.py`
    judges both. A place is used by its session's own thread. Everything may be repeated after a crash, on the place
    that a new process makes of the same assignment: what was done is found, and not done again.
    """

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

    def committed(self) -> str | None:
        """The commit that holds all of the session's work after `commit`, its base if it did nothing.

        None where landing needs the tree: it is the user's, or something is in it that cannot land.
        """
        ...

    def vacate(self, committed: str) -> None:
        """Let others have the tree now; from here on, `committed` is all that there is of the session.

        For a place in a new process, too, if it was vacated before a crash: the tree is somebody else's.
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

    def diff(self) -> DiffStat | None:
        """How much the session changed that `land` has put on the run branch; None where that is not known."""
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

    def is_landing(self) -> bool:
        """Whether some session has its turn, or waits for it."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Wait for one's turn to land: one session at a time, first come, first served."""
        ...

    def retry_rescue(self, seq: int, *, elsewhere: bool) -> None:
        """Rescue what a session with a record left where it was; `elsewhere`: it is not to be looked for any more."""
        ...
