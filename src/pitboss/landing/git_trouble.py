"""What to do when git fails for a session, so that one session ends and not the run (SPEC 1.6, 1.8).

    a lock, a lost race              retried, for up to 30 s per session
    a hook, filter, config refuses   not retried
    anything else                    retried once
    something was just restored      retried, within the same 30 s
    a full disk                      raised: the run stops

Git's config, hooks and folders are checked after each agent, and restored.
"""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from pitboss.core.session import Reason
from pitboss.errors import FREE_SPACE, PitbossError, StartError, StorageError
from pitboss.git.errors import GitError, Kind, LostRace, RepositoryGone, kind, shortage_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pitboss.core.events import Observer
    from pitboss.landing.guard import Guard
    from pitboss.landing.places import GitPlaces

PATIENCE_S = 30.0
"""Total per session, for locks and lost races."""

NEW_INDEX = (
    '`rm "$(git rev-parse --git-path index)"; git reset --quiet` makes a new index and changes no file; '
    "then try again"
)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 2.0
LOOKS_FOR_REPOSITORY = 4

TROUBLE = (GitError, LostRace, RepositoryGone, StartError, OSError)
"""What git work may raise without ending the run."""

T = TypeVar("T")


class GitFailed(Exception):
    """Git could not do what a session needed; the text is the session's reason."""


@contextmanager
def git_refusing(what: str) -> Iterator[None]:
    """Turn a git failure into a refusal to start, while nothing has begun yet: raises StartError (SPEC 5)."""
    try:
        yield
    except GitError as error:
        if kind(error) is Kind.FULL_DISK:
            raise
        todo = shortage_in(error.stderr) or "fix what git complains about"
        hint = NEW_INDEX if error.index_is_broken else f"{todo}, then try again"
        raise StartError(f"cannot {what}: {error.message}", hint=hint) from error


class RepositoryMonitor:
    """Checks the repository on behalf of all sessions of a run, and reports what it restores; thread-safe.

    `hurried` says that someone is waiting for the run to end: then retries no longer pause.
    """

    def __init__(
        self, places: GitPlaces, guard: Guard, emit: Observer, hurried: Callable[[], object]
    ) -> None:
        self._guard = guard
        self._emit = emit
        self._lock = Lock()
        self.places = places
        self.hurried = hurried
        self.restorations = 0
        """How many things have been restored so far."""
        self.gone: RepositoryGone | None = None
        """Set once the repository is gone."""

    def look(self, seq: int) -> None:
        """Restore what session `seq` may have changed in git's config. Raises RepositoryGone."""
        restored = self._guard.check(seq)
        with self._lock:
            self.restorations += len(restored)
        for text in restored:
            self.warn(seq, text)

    def warn(self, seq: int | None, text: str) -> None:
        """Warn about something that concerns a session, or with None the whole run."""
        from pitboss.core.events import Warned

        self._emit(Warned(text=text if seq is None else f"session {seq}: {text}"))


class Perseverance:
    """How often, and for how long, one session retries when git fails."""

    def __init__(self, monitor: RepositoryMonitor, seq: int) -> None:
        self._monitor = monitor
        self._seq = seq
        self._waited = 0.0
        self._missed = 0
        """How often in a row the repository was nowhere to be found; another agent may be moving it."""

    def attempt(self, work: Callable[[], T]) -> T:
        """Do `work` with git, retrying while that makes sense.

        Raises GitFailed, and StorageError if the disk is full.
        """
        tries, begun = 0, self._monitor.restorations
        while True:
            before = self._monitor.restorations
            try:
                return work()
            except TROUBLE as error:
                tries += 1
                if kind(error) is Kind.FULL_DISK or self._monitor.places.disk_is_full():
                    raise _disk_full(error) from None
                fought = self._monitor.restorations != begun
                if not self._was_just_restored(tries, before) and not self._is_worth_another_try(
                    error, tries, fought=fought
                ):
                    if isinstance(error, RepositoryGone):
                        self._monitor.gone = error
                    words = error.message if isinstance(error, PitbossError) else str(error)
                    raise GitFailed(Reason.GIT_FAILED.because(words)) from error

    def _is_worth_another_try(self, error: Exception, tries: int, *, fought: bool) -> bool:
        """Whether to try again, after a pause if need be; `fought` says that something was restored meanwhile."""
        if self._missed >= LOOKS_FOR_REPOSITORY:
            return False
        match kind(error):
            case Kind.RACE:
                return self._pause(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (tries - 1)))
            case Kind.GONE if fought or tries < LOOKS_FOR_REPOSITORY:
                return self._pause(min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**tries))
            case Kind.OTHER:
                return tries == 1
            case _:
                return False

    def _pause(self, seconds: float) -> bool:
        """Pause, unless the session has already waited too long; locks of dead git processes are removed first."""
        began = time.monotonic()
        if self._waited >= PATIENCE_S or self._monitor.hurried():
            return False
        with suppress(*TROUBLE):
            self._monitor.places.clear_locks()
        time.sleep(seconds)
        self._waited += time.monotonic() - began
        return True

    def _was_just_restored(self, tries: int, before: int) -> bool:
        """Whether some agent had just changed what git relies on; it has been restored by now.

        Another session may have restored it in the meantime: then the count has moved on from `before`. An agent that
        changes it again and again may need some seconds to end.
        """
        try:
            self._monitor.look(self._seq)
            self._missed = 0
        except RepositoryGone:
            self._missed += 1
        except TROUBLE:
            pass
        if self._monitor.restorations == before:
            return False
        return tries <= LOOKS_FOR_REPOSITORY or self._pause(FIRST_PAUSE_S * tries)


def _disk_full(error: Exception) -> PitbossError:
    """The error for a full disk, however the failure was worded."""
    if isinstance(error, PitbossError) and error.hint == FREE_SPACE:
        return error
    return StorageError(f"the disk is full: {error}", hint=FREE_SPACE)
