"""What is done when git fails for a session, so that it ends one session and not the run (SPEC 1.6, 1.8).

    a lock, a lost race              tried again, 30 s in all a session
    a hook, filter, config refuses   not tried again
    anything else                    tried once more
    what was put back just then      tried again
    a full disk                      raised: the run stops

Git's config, hooks and folders are looked at after each agent, and put back.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from pitboss.core.events import Warned
from pitboss.core.session import Reason
from pitboss.errors import FREE_SPACE, PitbossError, StartError, StorageError
from pitboss.git.errors import GitError, Kind, LostRace, RepositoryGone, kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pitboss.core.events import Observer
    from pitboss.landing.guard import Guard
    from pitboss.landing.places import GitPlaces

PATIENCE_S = 30.0
"""For locks and lost races, all in all a session."""

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
LOOKS_FOR_REPOSITORY = 4

TROUBLE = (GitError, LostRace, RepositoryGone, StartError, OSError)
"""What work with git may raise that need not end a run."""

T = TypeVar("T")


class GitFailed(Exception):
    """What git was to do for a session was not to be had; the text is the session's reason."""


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


class Watch:
    """Looks at the repository for all sessions of a run, and tells of what it puts back; safe from several threads.

    `hurried` says that somebody waits for the run to end: then nothing is waited for any more.
    """

    def __init__(
        self, places: GitPlaces, guard: Guard, emit: Observer, hurried: Callable[[], object]
    ) -> None:
        self._guard = guard
        self._emit = emit
        self._lock = Lock()
        self.places = places
        self.hurried = hurried
        self.put_backs = 0
        """How many things were put back so far."""
        self.gone: RepositoryGone | None = None
        """Set once there is no repository any more."""

    def look(self, seq: int) -> None:
        """Put back what session `seq` may have done to git's config. Raises RepositoryGone."""
        told = self._guard.check()
        with self._lock:
            self.put_backs += len(told)
        for text in told:
            self.tell(seq, text)

    def tell(self, seq: int, text: str) -> None:
        """Warn of something that has to do with a session."""
        self._emit(Warned(text=f"session {seq}: {text}"))


class Perseverance:
    """How often and how long one session tries again what git fails at."""

    def __init__(self, watch: Watch, seq: int) -> None:
        self._watch = watch
        self._seq = seq
        self._waited = 0.0

    def attempt(self, work: Callable[[], T]) -> T:
        """Do something with git, again if it is worth it. Raises GitFailed, and what a full disk raises."""
        tries = 0
        while True:
            before = self._watch.put_backs
            try:
                return work()
            except TROUBLE as error:
                tries += 1
                if kind(error) is Kind.FULL_DISK or self._watch.places.disk_is_full():
                    raise _disk_full(error) from None
                if not self._put_back(tries, before) and not self._is_worth_another_try(error, tries):
                    if isinstance(error, RepositoryGone):
                        self._watch.gone = error
                    words = error.message if isinstance(error, PitbossError) else str(error)
                    raise GitFailed(Reason.GIT_FAILED.because(words)) from error

    def _is_worth_another_try(self, error: Exception, tries: int) -> bool:
        match kind(error):
            case Kind.RACE:
                return self._pause(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (tries - 1)))
            case Kind.GONE if tries < LOOKS_FOR_REPOSITORY:  # an agent beside this one may just be moving it
                return self._pause(FIRST_PAUSE_S * 2**tries)
            case Kind.OTHER:
                return tries == 1
            case _:
                return False

    def _pause(self, seconds: float) -> bool:
        """Wait, if the session has not waited too long already; locks of a git that died are out of the way then."""
        began = time.monotonic()
        if self._waited >= PATIENCE_S or self._watch.hurried():
            return False
        with suppress(*TROUBLE):
            self._watch.places.clear_locks()
        time.sleep(seconds)
        self._waited += time.monotonic() - began
        return True

    def _put_back(self, tries: int, before: int) -> bool:
        """Whether an agent, this one or one beside it, had just changed what git goes by: it is as it was now.

        A session beside this one may have put it back meanwhile: then the count has moved on from `before`.
        """
        if tries > LOOKS_FOR_REPOSITORY:
            return False
        with suppress(*TROUBLE):
            self._watch.look(self._seq)
        return self._watch.put_backs != before


def _disk_full(error: Exception) -> PitbossError:
    """What to say of a failure on a full disk, which may have been told in any words."""
    if isinstance(error, PitbossError) and error.hint == FREE_SPACE:
        return error
    return StorageError(f"the disk is full: {error}", hint=FREE_SPACE)
