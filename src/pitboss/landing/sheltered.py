"""The run's workspace, in which trouble with git ends one session and not the run (SPEC 1.6, 1.8).

    a lock, a lost race              tried again, 30 s in all a session
    a hook, filter, config refuses   not tried again
    anything else                    tried once more
    what was put back just then      tried again
    a full disk                      raised: the run stops

What cannot land is rescued; what cannot be rescued either stays where it is, and is rescued before anything else
works there. Git's config, hooks and folders are looked at after each agent, and put back.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec.structs import replace

from pitboss.core.events import Warned
from pitboss.core.session import Landing, Reason
from pitboss.errors import FREE_SPACE, WHEN_GIT_FAILED, PitbossError, StartError, StorageError
from pitboss.git.errors import GitError, Kind, LostRace, RepositoryGone, kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from pitboss.core.events import Observer
    from pitboss.core.run import RunState
    from pitboss.core.session import Assignment, Location
    from pitboss.landing.guard import Guard
    from pitboss.landing.workspace import Workspace

PATIENCE_S = 30.0
"""For locks and lost races, all in all a session."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
LOOKS_FOR_REPOSITORY = 4
MOST_UNREADY = 2
"""Sessions in a row whose place could not be made ready: after them none will be."""

_TROUBLE = (GitError, LostRace, RepositoryGone, StartError, OSError)

T = TypeVar("T")


class LeftBehind(Protocol):
    """Where it is written, durably, whose work is still where it was since git cannot rescue it."""

    @property
    def state(self) -> RunState:
        """The run, with its `unrescued` sessions."""
        ...

    def unrescued(self, seq: int) -> None:
        """Write that the work of a session in flight is still where it was."""
        ...

    def rescued(self, seq: int) -> None:
        """Write that it is there no more; nothing is written for a session that is not noted."""
        ...


class GitFailed(Exception):
    """What git was to do for a session was not to be had; the text is the session's reason."""


class Unworkable(StorageError):
    """No session can work in the repository as it is."""


@contextmanager
def git_refusing(what: str) -> Iterator[None]:
    """Where nothing has been begun yet, git that fails is a reason not to begin: raises StartError (SPEC 5)."""
    try:
        yield
    except GitError as error:
        if kind(error) is Kind.FULL_DISK:
            raise
        raise StartError(
            f"cannot {what}: {error.message}", hint="mend what git complains of, then try again"
        ) from error


def _disk_full(error: Exception) -> PitbossError:
    """What to say of a failure on a full disk, which may have been told in any words."""
    if isinstance(error, PitbossError) and error.hint == FREE_SPACE:
        return error
    return StorageError(f"the disk is full: {error}", hint=FREE_SPACE)


class Sheltered:
    """The workspace of a run as its sessions know it (`engine.ports.Workspace`).

    `hurried` says that somebody waits for the run to end: then nothing is waited for any more.
    """

    def __init__(
        self,
        workspace: Workspace,
        guard: Guard,
        journal: LeftBehind,
        emit: Observer,
        hurried: Callable[[], object],
    ) -> None:
        self._workspace = workspace
        self._guard = guard
        self._journal = journal
        self._emit = emit
        self._hurried = hurried
        self._put_backs = 0
        self._lock = Lock()
        self._waited: dict[int, float] = {}
        self._failed: dict[int, str] = {}
        self._unprepared: set[int] = set()
        self._unready: list[str] = []
        self._gone: RepositoryGone | None = None

    def open(self) -> None:
        """The run is about to begin. Raises StartError, GitError."""
        self._workspace.open()

    def close(self) -> None:
        """No session will run any more. What could not be rescued is tried once more. Raises PitbossError."""
        for left in self._journal.state.unrescued:
            with suppress(*_TROUBLE):
                self._free(left.assignment)
        try:
            self._workspace.close()
        except OSError as error:
            raise StorageError(f"working copies could not be removed: {error}") from error

    def go_back(self, name: str) -> object:
        """The run is over: check out what was before it. Raises StartError, GitError."""
        return self._workspace.go_back(name)

    def reserve(self, seq: int, *, in_slot: bool) -> Location:
        """Choose the place of session `seq`.

        Raises Unworkable when git failed for those before it, too, and RepositoryGone.
        """
        if len(self._unready) >= MOST_UNREADY:
            raise Unworkable(
                f"no session can work in this repository: {self._unready[-1]}", hint=WHEN_GIT_FAILED
            )
        if self._gone is not None:
            raise self._gone
        return self._workspace.reserve(seq, in_slot=in_slot)

    def path(self, session: Assignment) -> str:
        """The absolute path of the tree that the session works in."""
        return self._workspace.path(session)

    def prepare(self, session: Assignment) -> bool:
        """Make the session's place ready; False for one that has yet to be furnished. Raises GitFailed."""

        def ready() -> bool:
            self._look(session)
            for stuck in self._journal.state.unrescued:
                if stuck.assignment.worktree == session.worktree:
                    self._free(stuck.assignment)
            return self._workspace.prepare(session)

        try:
            done = self._try(session, ready)
        except GitFailed as failed:
            self._unprepared.add(session.seq)
            self._unready.append(str(failed))
            raise
        self._unready.clear()
        return done

    def furnish(self, session: Assignment) -> Sequence[str]:
        """Copy into a new working copy what git does not bring there. Raises GitFailed."""
        return self._try(session, lambda: self._workspace.furnish(session))

    def furnished(self, session: Assignment) -> None:
        """The working copy is as sessions need it. Raises GitFailed."""
        self._try(session, lambda: self._workspace.furnished(session))

    def commit(self, session: Assignment, message: str) -> None:
        """Put the session's work on a branch of its own, if it has one; a failure is kept for `land`."""
        self._attempt(session, lambda: self._workspace.commit(session, message), None)

    def turn(self) -> AbstractContextManager[None]:
        """Wait for one's turn to land: one session at a time, first come, first served."""
        return self._workspace.turn()

    def is_behind(self, session: Assignment) -> bool:
        """Whether others have landed what the session's tree does not hold."""
        return self._attempt(session, lambda: self._workspace.is_behind(session), False)

    def catch_up(self, session: Assignment, message: str) -> bool:
        """Bring that into the session's tree; False when it cannot be, as landing will then tell."""
        return self._attempt(session, lambda: self._workspace.catch_up(session, message), False)

    def land(self, session: Assignment, message: str) -> Landing:
        """Put the session's work on the run branch; what cannot go there is rescued, with the reason why."""
        landing = self._attempt(session, lambda: self._workspace.land(session, message), None)
        if landing is not None:
            self._journal.rescued(session.seq)
            return landing
        kept = self.rescue(session)
        return replace(kept, reason=self._failed[session.seq])

    def rescue(self, session: Assignment) -> Landing:
        """Keep all of the session's work under rescue refs, or where it is when git cannot even do that."""
        if session.seq in self._unprepared:
            return Landing()
        try:
            kept = self._try(session, lambda: self._rescue(session))
        except GitFailed as failed:
            self._journal.unrescued(session.seq)
            self._tell(
                session, f"its work could not be rescued and is left in {self.path(session)}: {failed}"
            )
            return Landing(reason=str(failed))
        self._journal.rescued(session.seq)
        return kept

    def rescue_left(self, seq: int, *, elsewhere: bool) -> None:
        """Rescue what a session with a record left where it was; `elsewhere`: it is not to be looked for any more."""
        left = next(s.assignment for s in self._journal.state.unrescued if s.seq == seq)
        if elsewhere:
            self._journal.rescued(seq)
            return
        try:
            self._try(left, lambda: self._free(left))
        except GitFailed as failed:
            self._tell(left, f"its work still cannot be rescued and is left in {self.path(left)}: {failed}")

    def take_back(self, session: Assignment) -> Sequence[str]:
        """Rescue what the session committed, without a look at its tree; returns the refs."""
        self._journal.rescued(session.seq)
        try:
            return self._try(session, lambda: self._workspace.take_back(session))
        except GitFailed as failed:
            self._tell(session, f"its commits could not be rescued: {failed}")
            return ()

    def release(self, session: Assignment) -> None:
        """Nobody needs the session's place any more, unless its work is still there."""
        self._waited.pop(session.seq, None)
        self._failed.pop(session.seq, None)
        if any(stuck.seq == session.seq for stuck in self._journal.state.unrescued):
            return
        try:
            self._try(session, lambda: self._workspace.release(session))
        except GitFailed as failed:
            self._tell(session, f"its working copy could not be released: {failed}")

    # Trouble

    def _attempt(self, session: Assignment, work: Callable[[], T], otherwise: T) -> T:
        """Do a step of landing; once one has failed, the others are not tried."""
        if session.seq in self._failed:
            return otherwise

        def step() -> T:
            self._look(session)
            return work()

        try:
            return self._try(session, step)
        except GitFailed as failed:
            self._failed[session.seq] = str(failed)
            return otherwise

    def _try(self, session: Assignment, work: Callable[[], T]) -> T:
        """Do something with git, again if it is worth it. Raises GitFailed, and what a full disk raises."""
        tries = 0
        while True:
            before = self._put_backs
            try:
                return work()
            except _TROUBLE as error:
                tries += 1
                if kind(error) is Kind.FULL_DISK or self._workspace.disk_is_full():
                    raise _disk_full(error) from None
                if not self._put_back(session, tries, before) and not self._worth_another_try(
                    session, error, tries
                ):
                    self._gone = error if isinstance(error, RepositoryGone) else self._gone
                    words = error.message if isinstance(error, PitbossError) else str(error)
                    raise GitFailed(Reason.GIT_FAILED.because(words)) from error

    def _worth_another_try(self, session: Assignment, error: Exception, tries: int) -> bool:
        match kind(error):
            case Kind.RACE:
                return self._pause(session, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (tries - 1)))
            case Kind.GONE if tries < LOOKS_FOR_REPOSITORY:  # an agent beside this one may just be moving it
                return self._pause(session, FIRST_PAUSE_S * 2**tries)
            case Kind.OTHER:
                return tries == 1
            case _:
                return False

    def _pause(self, session: Assignment, seconds: float) -> bool:
        """Wait, if the session has not waited too long already; locks of a git that died are out of the way then."""
        began = time.monotonic()
        waited = self._waited.get(session.seq, 0.0)
        if waited >= PATIENCE_S or self._hurried():
            return False
        with suppress(*_TROUBLE):
            self._workspace.clear_locks()
        time.sleep(seconds)
        self._waited[session.seq] = waited + time.monotonic() - began
        return True

    def _put_back(self, session: Assignment, tries: int, before: int) -> bool:
        """Whether an agent, this one or one beside it, had just changed what git goes by: it is as it was now.

        A session beside this one may have put it back meanwhile: then the count has moved on from `before`.
        """
        if tries > LOOKS_FOR_REPOSITORY:
            return False
        with suppress(*_TROUBLE):
            self._look(session)
        return self._put_backs != before

    def _look(self, session: Assignment) -> None:
        """Put back what the session may have done to git's config. Raises RepositoryGone."""
        told = self._guard.check()
        with self._lock:
            self._put_backs += len(told)
        for text in told:
            self._tell(session, text)

    def _rescue(self, session: Assignment) -> Landing:
        self._look(session)
        return self._workspace.rescue(session)

    def _free(self, stuck: Assignment) -> None:
        """Rescue what an earlier session left. Raises what git raises."""
        landing = self._workspace.rescue_late(stuck)
        self._journal.rescued(stuck.seq)
        kept = ", ".join(landing.rescue) or "nothing: there was none"
        self._tell(stuck, f"its work is kept under {kept}")

    def _tell(self, session: Assignment, text: str) -> None:
        self._emit(Warned(text=f"session {session.seq}: {text}"))
