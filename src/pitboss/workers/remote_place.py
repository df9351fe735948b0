"""A session's place on a worker: prepared and committed there, landed here (SPEC 1.2, 14).

Once the commits have come home, this place is a slot's that its session has vacated: `landing.slot_place` lands it.
"""

from __future__ import annotations

import time
from contextlib import closing, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pitboss.core.host import HostLost, lost_reason
from pitboss.core.leases import Closing, Lease
from pitboss.core.leases import closing as closing_of
from pitboss.core.session import Landing, Reason
from pitboss.core.stops import StopRequest
from pitboss.git.packs import Parcel, boundary, pack, unpack
from pitboss.landing import rescue_refs
from pitboss.landing.git_trouble import GitFailed, Perseverance
from pitboss.landing.lease_refs import Made, drop, keep_result, read, release, results
from pitboss.landing.slot_place import SlotPlace
from pitboss.workers import messages as say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.session import Assignment
    from pitboss.landing.resilient import ResilientPlace
    from pitboss.workers.dispatch import Dispatch
    from pitboss.workers.line import WorkerLine

ATTEMPT = 1
"""A session is attempted once: if its worker is lost, another session takes over its turn."""


class RemotePlace:
    """One session's place on its worker (`engine.ports.Place`); `home` is its place here, used for what came home."""

    def __init__(self, dispatch: Dispatch, home: ResilientPlace, session: Assignment) -> None:
        if not isinstance(home.inner, SlotPlace) or session.host is None:
            raise AssertionError("a session on a worker has a working copy of its own")
        self._dispatch = dispatch
        self._carriage = dispatch.carriage
        self._repo = dispatch.repo
        self._run_id = dispatch.run_id
        self._home = home
        self._inner = home.inner
        self._session = session
        self._seq = session.seq
        self._host = session.host
        self._try = Perseverance(dispatch.monitor, session.seq).attempt
        self._line: WorkerLine | None = None
        self._is_home = False
        self._failed: Landing | None = None
        self._lost = False
        self._unasked = False
        """Whether its worker is known never to have heard of the session."""
        self._left = False
        self._let_go = False
        """Whether its worker has said that it holds nothing of the session any longer."""
        self._whole: str | None = None
        self._diff: DiffStat | None = None
        self._brought: list[str] = []
        self._made: list[Made] | None = None
        """The lease and the results, if this process made all there are."""
        self._landed: tuple[str, ...] = ()
        self.is_released = False

    def line(self) -> WorkerLine:
        """The connection to the worker. Raises HostLost if there is none any longer: it went with an earlier runner."""
        if self._line is None:
            self._lost = True
            raise HostLost(self._host)
        return self._line

    # Before the session works

    def prepare(self) -> bool:
        """Begin the session on its worker, with the commits that it needs. Raises HostLost, GitFailed."""
        commit, asked_at = self._session.base_commit, time.monotonic()
        with self._losing():
            self._line = self._reached()
            leased, has = self._dispatch.begin(self._line, self._session, ATTEMPT)
            self._made = [leased]
            with self._dispatch.deliveries.turn(self._host, commit, has, asked_at=asked_at) as there:
                needed = not self._dispatch.bases.is_within(commit, there)
                call = say.Prepare(boundary=boundary(self._repo))
                if not needed:
                    return self._line.ask(call, say.Ready)[0].ready
                packed = partial(self._try, lambda: self._needed(there))
                return self._carriage.ask(self._line, call, say.Ready, commit, packed).ready

    def _reached(self) -> WorkerLine:
        try:
            return self._dispatch.reach(self._session)
        except HostLost:
            self._unasked = True
            raise

    def _needed(self, there: Sequence[str]) -> Parcel:
        known = [oid for oid in there if oid in self._dispatch.bases or self._repo.commit_id(oid)]
        return pack(self._repo, [self._session.base_commit], known)

    def provision(self) -> Sequence[str]:
        """Copy into a new working copy what git does not put there, from the worker's. Raises HostLost, GitFailed."""
        with self._losing():
            done, _ = self.line().ask(say.Provision(), say.Provisioning)
        return (*done.warnings, *self._try(lambda: self._dispatch.uncopied(self._host, done.lacks)))

    def provisioned(self) -> None:
        """The working copy is ready for sessions. Raises HostLost, GitFailed."""
        with self._losing():
            self.line().ask(say.Provisioned(), say.Done)

    # Bringing its work home

    def look_ahead(self) -> None:
        """The tree is on the worker."""

    def commit(self, message: str) -> None:
        """Commit the session's work on the worker and bring it home; a failure is saved for `land` to report."""
        if self._is_home or self._found_at_home():
            return
        try:
            with self._losing():
                asked = say.CommitWork(message=message)
                done, beside = self.line().ask(asked, say.Committed, stop=self._aborted)
                beside = self._carriage.collect(self.line(), self._seq, done, beside)
            with closing(beside):
                self._try(lambda: self._arrived(done, beside))
        except HostLost:
            self._hang_up()
            if self._brought or not self._found_at_home():
                self._failed = Landing(reason=lost_reason(self._host), retry=True)
        except GitFailed as failed:
            self._failed = Landing(reason=str(failed))

    def _aborted(self) -> StopRequest | None:
        return StopRequest.ABORT if self._dispatch.monitor.hurried() else None

    def _arrived(self, done: say.Committed, beside: Parcel) -> None:
        landing = done.landing
        if beside:
            unpack(self._repo, beside)
        refs = self._keep(done.rescued, landing.reason or "")
        if landing.commit is not None:
            kept = keep_result(self._repo, self._run_id, self._seq, ATTEMPT, landing.commit)
            self._brought.append(landing.commit)
            if kept is not None and self._made is not None:
                self._made.append(Made(kept.ref, kept.oid))
        self._inner.arrived(replace(landing, rescue=refs), just_now=True)
        self._whole = (landing.commit or self._session.base_commit) if done.whole else None
        self._diff = done.diff
        self._is_home = True

    def _found_at_home(self) -> bool:
        """Whether what the session's lease names is here, as an earlier process brought it, or on the remote."""
        if self._line is None:
            self._mirror()
        pushed = () if self._line else results(self._repo, self._run_id, self._seq)
        whole = {Lease(each.attempt, self._host): each.oid for each in pushed if not each.partial}
        held = read(self._repo, self._run_id, self._seq) if whole else None
        if closing_of(held, tuple(whole)) is Closing.LAND and held is not None:
            found = whole[held]
            kept = tuple(kept.ref for kept in rescue_refs.list_rescued(self._repo, self._run_id, self._seq))
            self._inner.arrived(Landing(commit=found, rescue=kept))
            self._brought.append(found)
            self._is_home = True
        return self._is_home

    def _mirror(self) -> None:
        if self._carriage.mirror(self._seq):
            self._made = None  # there are results that this process did not make

    def committed(self) -> str | None:
        """The commit that holds all of the session's work; None if some of it is elsewhere."""
        return self._whole if self._is_home else None

    def vacate(self, committed: str) -> None:
        """Give up the slot on the worker; `committed` is all there is of the session."""
        if not self._is_home:
            commit = None if committed == self._session.base_commit else committed
            self._inner.arrived(Landing(commit=commit))
            self._is_home = True
        self._leave()

    # Landing

    def is_behind(self) -> bool:
        """Whether others have landed work that the session's tree lacks."""
        tip, own = self._dispatch.branch.tip, self._own()
        if self._left or own is None or tip == self._session.base_commit:
            return False
        try:
            return not self._try(lambda: self._repo.is_ancestor(tip, own))
        except GitFailed:
            return False  # landing will report the same trouble

    def _own(self) -> str | None:
        ahead = self._inner.ahead
        return ahead.commit if self._is_home and ahead is not None else None

    def catch_up(self, message: str) -> bool:
        """Merge that into the tree on the worker; False if that fails. Raises HostLost."""
        tip = self._dispatch.branch.tip
        asked = say.CatchUp(message=message, tip=tip)
        packed = partial(self._try, lambda: pack(self._repo, [tip], [self._session.base_commit]))
        try:
            with self._losing():
                merged = self._carriage.ask(self.line(), asked, say.CaughtUp, tip, packed)
        except GitFailed:
            return False
        self._is_home = self._is_home and not merged.merged
        return merged.merged

    def land(self, message: str) -> Landing:
        """Put the session's work on the run branch; what cannot go there is rescued, with the reason."""
        if not self._is_home and self._failed is None:
            self.commit(message)
        if self._is_home:
            landing = self._home.land(message)
            self._landed = tuple(self._brought) if landing.commit is not None else ()
            return landing
        failed = self._failed or Landing()
        return replace(self.rescue(), reason=failed.reason, retry=failed.retry)

    def follow(self, landing: Landing) -> Landing:
        """Bring the user's checkout along."""
        return self._home.follow(landing)

    def diff(self) -> DiffStat | None:
        """How much the session changed, as its worker says."""
        return self._diff

    # Rescue

    def rescue(self) -> Landing:
        """Keep all of the session's work under rescue refs; if its worker is lost, the part that can be fetched."""
        if self._line is not None and not self._lost:
            try:
                with self._losing():
                    done, beside = self._line.ask(say.Rescue(), say.Kept)
                with closing(beside):
                    return replace(done.landing, rescue=self._taken(done.tips, beside, ""))
            except (HostLost, GitFailed):
                self._hang_up()  # then it keeps its results
        if self._unasked:
            return Landing(retry=True)
        if self._is_home or self._found_at_home():
            return replace(self._home.rescue(), retry=self._lost)
        return replace(self._remains(), retry=self._lost)

    def _remains(self) -> Landing:
        found = self._dispatch.remains(self._session, ATTEMPT, self._taken_late)
        if found is None and self._carriage.mirror(self._seq):
            self._made = None
            tips = [each.oid for each in results(self._repo, self._run_id, self._seq)]
            found = self._try(lambda: self._keep(tips, str(Reason.INTERRUPTED)))
        if found is None:
            self._dispatch.warn_of_work_left(self._session)
            return Landing(reason=lost_reason(self._host))
        return Landing(rescue=found)

    def _taken_late(self, tips: Sequence[str], beside: Parcel) -> tuple[str, ...]:
        return self._taken(tips, beside, str(Reason.INTERRUPTED))

    def _taken(self, tips: Sequence[str], beside: Parcel, why: str) -> tuple[str, ...]:
        def take() -> tuple[str, ...]:
            if beside:
                unpack(self._repo, beside)
            return self._keep(tips, why)

        return self._try(take)

    def _keep(self, tips: Sequence[str], why: str) -> tuple[str, ...]:
        return rescue_refs.keep(self._repo, self._run_id, self._seq, tips, why=why) if tips else ()

    def rescue_commits(self) -> Sequence[str]:
        """Rescue what the session committed, as far as it came home."""
        self._found_at_home()
        return self._home.rescue_commits()

    # Afterwards

    def release(self) -> None:
        """Free the slot, and forget what only this session needed."""
        self._leave()
        with suppress(GitFailed):
            if not self._drop():
                self._try(lambda: release(self._repo, self._run_id, self._seq, landed=self._landed))
            self._carriage.forget(self._seq)
        self._home.release()
        self._dispatch.over(self._session, landed=() if self._let_go else self._landed)
        self.is_released = True

    def _drop(self) -> bool:
        """Drop lease and results without looking for others; False if there may be work that did not land."""
        made = self._made or ()
        if not made or any(each.oid not in self._landed for each in made[1:]):
            return False
        return drop(self._repo, made)

    def _leave(self) -> None:
        if self._left:
            return
        self._left = True
        if self._line is not None and not self._lost:
            with suppress(HostLost, GitFailed), self._losing():
                self._line.ask(say.Release(), say.Done)
                self._let_go = True
        self._hang_up()
        self._dispatch.free(self._session)

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.hang_up()

    @contextmanager
    def _losing(self) -> Iterator[None]:
        """Note it if the worker is lost meanwhile."""
        try:
            yield
        except HostLost:
            self._lost = True
            self._dispatch.lost(self._host)
            raise
