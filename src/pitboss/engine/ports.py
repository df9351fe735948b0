"""What the engine needs from the outside, as protocols; `app` supplies the real implementations.

A session's input crosses to its host as values, and its work comes home as git objects; neither names a path on that
machine. So the host may be a different machine from the runner's, where the work lands.
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
    """One session's machine: it holds the session's tree and runs its processes (SPEC 6).

    `hosts.this_machine` is real, `hosts.scripted` plays one; `tests/contracts/test_host_port.py` judges both. A host
    is used by its session's own thread; after a crash, by the thread that recovers the run. Every callback is called in
    that thread. `stop` is polled while something runs; once it returns a request, the whole process tree is ended.

    Whatever runs something raises HostLost once the host is lost: nothing of the session runs there any longer. Only
    `run_agent` returns an outcome even then, since its usage has to be billed.

    Files that a session shares with its runner are named as in `store.paths`. Its processes find the notes that the
    runner gave it. What they write reaches the runner's run directory: transcripts as they grow; summary, notes and
    usage by the time the method returns; a skip file as soon as it exists.
    """

    @property
    def name(self) -> str:
        """The machine's name, as people know it."""
        ...

    def is_resumable(self, agent: str) -> bool:
        """Whether the agent can resume a session of its own. Raises StartError if there is no such agent."""
        ...

    def run_agent(
        self,
        order: AgentOrder,
        *,
        on_start: Callable[[int, int | None], None],
        on_event: Callable[[AgentEvent], None],
        stop: Callable[[], StopRequest | None],
    ) -> AgentOutcome:
        """Run an agent in the session's tree to its end; however it ends is an outcome.

        Never repeated: each start of an agent has its own kind of transcript. `on_start` and `on_event` are called
        as `core.agent.Agent` says. Raises StartError if there is no such agent, StorageError if the transcript cannot
        be written, and whatever a callback raises, once the agent has been ended.
        """
        ...

    def bill_agent(self, order: AgentOrder, *, started: bool) -> AgentOutcome:
        """Judge an agent whose runner died: aborted, with the usage that `run_agent` would have reported.

        `started` says that its process was seen. Runs nothing; may be repeated. Raises StartError.
        """
        ...

    def run_hook(self, hook: HookRequest, *, stop: Callable[[], StopRequest | None]) -> HookResult:
        """Run a hook, or a working copy's set-up, in the session's tree; however it ends is a result.

        Never repeated. Raises StorageError if the transcript cannot be written.
        """
        ...

    def find_tests(self, command: str | None) -> TestCommand | None:
        """The project's tests: the configured `command`, else as detected from the session's tree; None if none."""
        ...

    def run_tests(
        self, tests: TestCommand | None, kind: str, *, stop: Callable[[], StopRequest | None]
    ) -> TestResult:
        """Run the tests in the session's tree, with a transcript of that kind; having none counts as failure.

        May be repeated; the transcript grows. Raises StorageError if it cannot be written.
        """
        ...

    def is_running(self, pid: int, pid_started: int) -> bool:
        """Whether the process that `run_agent` reported is alive, and not another that has since been given its pid."""
        ...

    def end_process(self, pid: int, pid_started: int | None) -> None:
        """End that process and its descendants, if it is alive, within seconds. May be repeated."""
        ...


class Hosts(Protocol):
    """The hosts of one run. Any thread may call `of`; only the one that recovers the run calls `end_strays`."""

    def of(self, session: Assignment) -> Host:
        """A session's host: the same one from dispatch to record, and after a crash."""
        ...

    def end_strays(self, run_id: str, *, since: float) -> bool:
        """End what a dead run left on any of its hosts: processes that carry its marker, whoever their parent is.

        `since` is the earliest that any of them may have begun, in seconds since the epoch. Returns within seconds
        whether there were any. May be repeated.
        """
        ...


class Place(Protocol):
    """Where one session works, and how its work gets home (SPEC 1.2, 6).

    The tree, and everything done to it, is on the session's host; the run branch and the rescue refs are in the
    runner's repository, which receives commits as git objects.

    `landing.resilient` has the real ones, in git; `landing.in_memory` simulates them;
    `tests/contracts/test_place_port.py` judges both. A place is used by its session's own thread. After a crash
    a new process builds the place from the same assignment and may repeat any call: what was done is not done again.
    `prepare`, `provision`, `provisioned` and `catch_up` raise HostLost once the session's host is lost; `land` and
    `rescue` then keep what came home.
    """

    def prepare(self) -> bool:
        """Bring the tree to the session's base commit, rescuing whatever others left in it.

        False for a working copy that still needs provisioning. Raises GitFailed; then there is nothing to land or
        rescue.
        """
        ...

    def provision(self) -> Sequence[str]:
        """Copy into a new working copy what git does not put there; returns the warnings. Raises GitFailed."""
        ...

    def provisioned(self) -> None:
        """The working copy is ready for sessions: undo whatever its set-up changed in tracked files.

        Until this is called, the working copy counts as new. Raises GitFailed.
        """
        ...

    def look_ahead(self) -> None:
        """Begin to look at the tree, if that can be done while others are busy; does no harm, never fails.

        The session's processes have ended, and until `land` or `rescue` nobody changes its tree.
        """
        ...

    def commit(self, message: str) -> None:
        """Commit the session's work to its own branch, if it has one, to keep its turn to land short.

        Needs no turn. A failure is saved for `land` to report.
        """
        ...

    def committed(self) -> str | None:
        """The commit that holds all of the session's work after `commit`; its base if it did nothing.

        None if landing needs the tree: it is the user's, or holds something that cannot land.
        """
        ...

    def vacate(self, committed: str) -> None:
        """Give up the tree to other sessions; from here on, `committed` is all there is of this one.

        Also called on a place in a new process if it was vacated before a crash: the tree is another session's.
        """
        ...

    def is_behind(self) -> bool:
        """Whether others have landed work that the session's tree lacks. Only during the session's turn."""
        ...

    def catch_up(self, message: str) -> bool:
        """Merge that into the session's tree; False if that fails; landing will then say why. Only during its turn."""
        ...

    def land(self, message: str) -> Landing:
        """Put the session's work on the run branch; what cannot go there is rescued, with the reason.

        Only during the session's turn. Raises StorageError if the disk is full, and then may be repeated.
        """
        ...

    def follow(self, landing: Landing) -> Landing:
        """Bring the user's checkout, if it is on the run branch, up to what `land` put there.

        Needs no turn: one call may serve several sessions. Returns the landing, with the refs of what was in the way
        in the checkout. Raises StorageError if the disk is full, and then may be repeated.
        """
        ...

    def diff(self) -> DiffStat | None:
        """How much of the session's change `land` put on the run branch; None if unknown."""
        ...

    def rescue(self) -> Landing:
        """Keep all of the session's work under rescue refs, or where it is if even that fails; none of it lands.

        Raises StorageError if the disk is full, and then may be repeated.
        """
        ...

    def rescue_commits(self) -> Sequence[str]:
        """Rescue what the session committed, without looking at its tree; returns the refs."""
        ...

    def release(self) -> None:
        """Free the place, now that the session's record is durable. A place that still holds unrescued work is kept."""
        ...


class Places(Protocol):
    """The places of one run. Sessions' threads call `at` and `turn`; the rest belongs to the loop's thread."""

    def open(self) -> None:
        """The run is about to begin or resume. Raises StartError, GitError."""
        ...

    def close(self) -> None:
        """No more sessions will run: take down what only they needed. Raises PitbossError."""
        ...

    def restore_checkout(self, name: str) -> object:
        """Check out what was checked out before the run; returns what is now. Raises StartError, GitError."""
        ...

    def has_room(self) -> bool:
        """Whether `reserve` would find a place at this moment; if not, no session may be dispatched."""
        ...

    def reserve(self, seq: int, *, in_slot: bool) -> Location:
        """Choose where session `seq` works; creates nothing yet.

        Raises StorageError if no session can work in the repository any longer.
        """
        ...

    def withdraw(self, session: Assignment) -> None:
        """The session is not to begin after all: free what `reserve` chose for it."""
        ...

    def at(self, session: Assignment) -> Place:
        """A session's place: the same one until it is released."""
        ...

    def is_landing(self) -> bool:
        """Whether any session has a turn or is waiting for one."""
        ...

    def turn(self) -> AbstractContextManager[None]:
        """Wait for a turn to land: one session at a time, first come, first served."""
        ...

    def let_others_land(self) -> None:
        """Wait a moment for those that have a turn or wait for one: the user's checkout then follows once for all."""
        ...

    def retry_rescue(self, seq: int, *, elsewhere: bool) -> None:
        """Retry rescuing what a recorded session left in its tree; with `elsewhere`, that tree is now another's."""
        ...
