"""The places that the engine uses: if git fails, one session ends and its work is kept (SPEC 1.2, 1.8).

Work that cannot land is rescued; work that cannot be rescued either stays put, and is rescued before the next session
works there.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

from msgspec.structs import replace

from pitboss.core.session import Landing
from pitboss.errors import WHEN_GIT_FAILED, StorageError
from pitboss.landing.git_trouble import TROUBLE, GitFailed, Perseverance
from pitboss.landing.in_place import InPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.run import RunState
    from pitboss.core.session import Assignment, InFlight, Location
    from pitboss.landing.git_trouble import RepositoryMonitor
    from pitboss.landing.places import GitPlaces
    from pitboss.landing.slot_place import SlotPlace

MOST_UNREADY = 2
"""How many places in a row may fail to become ready before no more are tried."""

T = TypeVar("T")


class Unworkable(StorageError):
    """No session can work in the repository as it is."""


class LeftBehind(Protocol):
    """The durable note of sessions whose work is still in its tree because git could not rescue it."""

    @property
    def state(self) -> RunState:
        """The run's state, with its `unrescued` sessions."""
        ...

    def unrescued(self, seq: int) -> None:
        """Note that a session's work is still in its tree."""
        ...

    def rescued(self, seq: int) -> None:
        """Remove that note; does nothing for a session without one."""
        ...


class ResilientPlaces:
    """The places of a run (`engine.ports.Places`)."""

    def __init__(self, places: GitPlaces, monitor: RepositoryMonitor, left: LeftBehind) -> None:
        self._places = places
        self._monitor = monitor
        self._left = left
        self._unready: list[str] = []
        self._in_use: dict[int, ResilientPlace] = {}

    def open(self) -> None:
        """The run is about to begin. Raises StartError, GitError."""
        self._places.open()

    def close(self) -> None:
        """No more sessions will run. Retries any rescue that failed. Raises PitbossError."""
        for left in self._left.state.unrescued:
            with suppress(*TROUBLE):
                self.rescue_left(left)
        try:
            self._places.close()
        except OSError as error:
            raise StorageError(f"working copies could not be removed: {error}") from error

    def restore_checkout(self, name: str) -> object:
        """The run is over: check out what was checked out before it. Raises StartError, GitError."""
        return self._places.restore_checkout(name)

    def has_room(self) -> bool:
        """Whether `reserve` would find a place: the chooser has seen to that."""
        return True

    def reserve(self, seq: int, *, in_slot: bool) -> Location:
        """Choose the place of session `seq`.

        Raises Unworkable if git also failed for those before it, and RepositoryGone.
        """
        if len(self._unready) >= MOST_UNREADY:
            raise Unworkable(
                f"no session can work in this repository: {self._unready[-1]}", hint=WHEN_GIT_FAILED
            )
        if self._monitor.gone is not None:
            raise self._monitor.gone
        return self._places.reserve(seq, in_slot=in_slot)

    def withdraw(self, session: Assignment) -> None:
        """The session is not to begin after all: free what `reserve` chose for it."""
        self._places.withdraw(session)

    def at(self, session: Assignment) -> ResilientPlace:
        """A session's place: the same one until it is released."""
        place = self._in_use.get(session.seq)
        if place is None:
            place = self._in_use[session.seq] = ResilientPlace(
                self, self._places.at(session), self._monitor, self._left, session
            )
        return place

    def is_landing(self) -> bool:
        """Whether any session has a turn or is waiting for one."""
        return self._places.is_landing()

    def turn(self) -> AbstractContextManager[None]:
        """Wait for a turn to land: one session at a time, first come, first served."""
        return self._places.turn()

    def let_others_land(self) -> None:
        """Wait a moment for those that have a turn or wait for one: the user's checkout then follows once for all."""
        self._places.let_others_land()

    def retry_rescue(self, seq: int, *, elsewhere: bool) -> None:
        """Retry rescuing the work that a recorded session left in its tree; with `elsewhere`, do not look there."""
        left = next(s for s in self._left.state.unrescued if s.seq == seq)
        if elsewhere:
            self._left.rescued(seq)
            return
        try:
            Perseverance(self._monitor, seq).attempt(lambda: self.rescue_left(left))
        except GitFailed as failed:
            where = self._places.at(left.assignment).path
            self._monitor.warn(seq, f"its work still cannot be rescued and is left in {where}: {failed}")

    # For the places

    def rescue_left(self, left: InFlight) -> None:
        """Rescue what an earlier session left. Raises what git raises."""
        in_use = self._in_use.get(left.seq)
        place = in_use.inner if in_use else self._places.at(left.assignment)
        if in_use is None and left.progress.committed is not None:
            place.vacate(left.progress.committed)
        landing = place.rescue_late()
        self._left.rescued(left.seq)
        kept = ", ".join(landing.rescue) or "nothing: there was none"
        self._monitor.warn(left.seq, f"its work is kept under {kept}")

    def became_ready(self, failure: str | None) -> None:
        """Note whether a place could be made ready."""
        if failure is None:
            self._unready.clear()
        else:
            self._unready.append(failure)

    def let_go(self, seq: int) -> None:
        """Forget the place of a session that has ended."""
        self._in_use.pop(seq, None)


class ResilientPlace:
    """One session's place (`engine.ports.Place`); `inner` is the place in git."""

    def __init__(
        self,
        owner: ResilientPlaces,
        place: InPlace | SlotPlace,
        monitor: RepositoryMonitor,
        left: LeftBehind,
        session: Assignment,
    ) -> None:
        self.inner = place
        self._owner = owner
        self._monitor = monitor
        self._left = left
        self._session = session
        self._seq = session.seq
        self._try = Perseverance(monitor, session.seq).attempt
        self._unprepared = self._looked_ahead = False
        self._failed: str | None = None

    @property
    def path(self) -> str:
        """The absolute path of the tree that the session works in."""
        return self.inner.path

    def prepare(self) -> bool:
        """Make the place ready; False if it still needs provisioning. Raises GitFailed."""
        try:
            ready = self._try(self._prepare)
        except GitFailed as failed:
            self._unprepared = True
            self._owner.became_ready(str(failed))
            raise
        self._owner.became_ready(None)
        return ready

    def _prepare(self) -> bool:
        self._look()
        for stuck in self._left.state.unrescued:
            if stuck.assignment.worktree == self._session.worktree:
                self._owner.rescue_left(stuck)
        return self.inner.prepare()

    def provision(self) -> Sequence[str]:
        """Copy into a new working copy what git does not put there. Raises GitFailed."""
        return self._try(self.inner.provision)

    def provisioned(self) -> None:
        """The working copy is ready for sessions. Raises GitFailed."""
        self._try(self.inner.provisioned)

    def look_ahead(self) -> None:
        """Begin to look at the tree once git's config has been restored; `land` meets any failure.

        While a slot is looked at other sessions work, so git's config is checked again before the result is used.
        """
        with suppress(*TROUBLE):
            self._look()
            self.inner.look_ahead()
            self._looked_ahead = isinstance(self.inner, InPlace)

    def commit(self, message: str) -> None:
        """Commit the session's work to its own branch, if it has one; a failure is saved for `land` to report."""
        self._step(lambda: self.inner.commit(message), None)

    def committed(self) -> str | None:
        """The commit that holds all of the session's work; None if landing needs the tree."""
        return None if self._failed is not None else self.inner.committed()

    def vacate(self, committed: str) -> None:
        """Give up the tree to other sessions; `committed` is all there is of this one."""
        self.inner.vacate(committed)

    def is_behind(self) -> bool:
        """Whether others have landed work that the session's tree lacks."""
        return self._step(self.inner.is_behind, False)

    def catch_up(self, message: str) -> bool:
        """Merge that into the session's tree; False if that fails; landing will then say why."""
        return self._step(lambda: self.inner.catch_up(message), False)

    def land(self, message: str) -> Landing:
        """Put the session's work on the run branch; what cannot go there is rescued, with the reason."""
        landing = self._step(lambda: self._noted(self.inner.land(message)), None)
        if landing is None:
            return replace(self.rescue(), reason=self._failed)
        self._left.rescued(self._seq)
        return landing

    def follow(self, landing: Landing) -> Landing:
        """Bring the user's checkout up to date; if git fails, a later call does it: the landing stands."""
        try:
            return self._try(lambda: self.inner.follow(landing))
        except GitFailed as failed:
            self._warn(f"the working tree could not follow the run branch: {failed}")
            return landing

    def diff(self) -> DiffStat | None:
        """How much the session changed, if that is known."""
        return self.inner.diff()

    def rescue(self) -> Landing:
        """Keep all of the session's work under rescue refs, or where it is if git cannot even do that."""
        if self._unprepared:
            return Landing()
        try:
            kept = self._try(lambda: self._noted(self._looked(self.inner.rescue)))
        except GitFailed as failed:
            self._left.unrescued(self._seq)
            self._warn(f"its work could not be rescued and is left in {self.path}: {failed}")
            return Landing(reason=str(failed))
        self._left.rescued(self._seq)
        return kept

    def rescue_commits(self) -> Sequence[str]:
        """Rescue what the session committed, without looking at its tree; returns the refs."""
        self._left.rescued(self._seq)
        try:
            return self._try(self.inner.rescue_commits)
        except GitFailed as failed:
            self._warn(f"its commits could not be rescued: {failed}")
            return ()

    def release(self) -> None:
        """Free the session's place, unless its work is still there."""
        if any(stuck.seq == self._seq for stuck in self._left.state.unrescued):
            return
        self._owner.let_go(self._seq)
        try:
            Perseverance(self._monitor, self._seq).attempt(self.inner.release)
        except GitFailed as failed:
            self._warn(f"its working copy could not be released: {failed}")

    def _step(self, work: Callable[[], T], otherwise: T) -> T:
        """Do a step of landing; once one has failed, skip the rest."""
        if self._failed is not None:
            return otherwise
        try:
            return self._try(lambda: self._looked(work))
        except GitFailed as failed:
            self._failed = str(failed)
            return otherwise

    def _looked(self, work: Callable[[], T]) -> T:
        """First restore git's config after the session, unless `look_ahead` just has; then do the step."""
        looked, self._looked_ahead = self._looked_ahead, False
        if not looked:
            self._look()
        return work()

    def _look(self) -> None:
        self._monitor.look(self._seq)
        if moved := self.inner.bring_back():
            self._warn(moved)

    def _noted(self, landing: Landing) -> Landing:
        """Have the rescue refs of a landing noted at once, so that no other session can take them away."""
        if landing.rescue:
            self._monitor.look(self._seq)
        return landing

    def _warn(self, text: str) -> None:
        self._monitor.warn(self._seq, text)
