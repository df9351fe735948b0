"""The places of a run with workers: sessions work there, and land here (SPEC 14)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.core.host import HostLost
from pitboss.errors import PitbossError
from pitboss.workers.remote_place import RemotePlace
from pitboss.workers.tidying import tidy_local

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pitboss.core.session import Assignment, Location
    from pitboss.landing.resilient import ResilientPlace, ResilientPlaces
    from pitboss.workers.cluster import Cluster
    from pitboss.workers.dispatch import Dispatch
    from pitboss.workers.line import WorkerLine


KEPT_SHARE = 10
"""One in so many places may be kept although its session is over, so that not all are checked each time."""


class WorkerPlaces:
    """The places of one run (`engine.ports.Places`); `home` are those on this machine, where everything lands."""

    def __init__(self, home: ResilientPlaces, dispatch: Dispatch, cluster: Cluster) -> None:
        self._home = home
        self._dispatch = dispatch
        self._cluster = cluster
        self._in_use: dict[int, RemotePlace] = {}
        self._many = 0

    def open(self) -> None:
        """The run is about to begin or resume. Raises StartError, GitError."""
        self._home.open()

    def close(self) -> None:
        """No more sessions will run: the run's own workers leave. Raises PitbossError."""
        try:
            self._dispatch.close()
            self._home.close()
        finally:
            self._cluster.close()
        with suppress(PitbossError, OSError):  # `gc` tries again
            tidy_local(self._cluster.folders, self._dispatch.repo)

    def restore_checkout(self, name: str) -> object:
        """Check out what was checked out before the run. Raises StartError, GitError."""
        return self._home.restore_checkout(name)

    def has_room(self) -> bool:
        """Whether any worker has a free slot."""
        return self._dispatch.has_room()

    def reserve(self, seq: int, *, in_slot: bool) -> Location:  # noqa: ARG002 - on a worker there are only slots
        """Choose the worker of session `seq`, and the slot there."""
        return self._dispatch.reserve(seq)

    def withdraw(self, session: Assignment) -> None:
        """The session is not to begin after all."""
        self._dispatch.free(session)
        self._dispatch.over(session)

    def at(self, session: Assignment) -> RemotePlace | ResilientPlace:
        """A session's place: the same one until it is released."""
        if session.host is None:
            return self._home.at(session)
        place = self._in_use.get(session.seq)
        if place is None or place.is_released:
            if len(self._in_use) >= self._many:
                self._forget_released()
            place = self._in_use[session.seq] = RemotePlace(self._dispatch, self._home.at(session), session)
        return place

    def _forget_released(self) -> None:
        for seq, place in list(self._in_use.items()):
            if place.is_released:
                self._in_use.pop(seq, None)
        self._many = len(self._in_use) + max(1, len(self._in_use) // KEPT_SHARE)

    def line(self, session: Assignment) -> WorkerLine:
        """The connection to a session's worker. Raises HostLost if there is none."""
        place = self.at(session)
        if isinstance(place, RemotePlace):
            return place.line()
        raise HostLost(session.host or "(none)")

    def is_landing(self) -> bool:
        """Whether any session has a turn or is waiting for one."""
        return self._home.is_landing()

    def turn(self) -> AbstractContextManager[None]:
        """Wait for a turn to land: one session at a time, first come, first served."""
        return self._home.turn()

    def let_others_land(self) -> None:
        """Wait a moment for those that have a turn or wait for one: the user's checkout then follows once for all."""
        self._home.let_others_land()

    def retry_rescue(self, seq: int, *, elsewhere: bool) -> None:
        """Retry rescuing the work that a recorded session left in its tree; with `elsewhere`, do not look there."""
        self._home.retry_rescue(seq, elsewhere=elsewhere)
