"""Sends sessions to workers, and brings their work back (SPEC 14)."""

from __future__ import annotations

import hashlib
import re
import time
from contextlib import closing, suppress
from functools import cached_property, partial
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.config import NotifySettings
from pitboss.core.host import HostLost
from pitboss.core.leases import Lease
from pitboss.core.session import Location
from pitboss.errors import StartError
from pitboss.git.ignored_files import ignored_by
from pitboss.git.ref_changes import keep_changing
from pitboss.landing.git_trouble import GitFailed
from pitboss.landing.lease_refs import acquire
from pitboss.landing.refs import session_branch
from pitboss.store.files import read_regular
from pitboss.workers import messages as say
from pitboss.workers.awaiting import Awaiting
from pitboss.workers.bases import Bases
from pitboss.workers.carriage import Carriage
from pitboss.workers.clone_settings import filters_in_use, settings_of
from pitboss.workers.clones import COPY
from pitboss.workers.deliveries import Deliveries
from pitboss.workers.doubts import Doubts
from pitboss.workers.home_files import HomeFiles
from pitboss.workers.late_work import LateWork
from pitboss.workers.line import Heard, WorkerLine, look_s
from pitboss.workers.roster import Seats
from pitboss.workers.runner_side import RunnerSide, WorkLeft

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pitboss.core.session import Assignment
    from pitboss.git.packs import Parcel
    from pitboss.landing.lease_refs import Made
    from pitboss.workers.clone_settings import CloneSettings
    from pitboss.workers.cluster import Cluster
    from pitboss.workers.roster import WorkerInfo

NOTES_LIMIT = 16 * 1024 * 1024
LOOK_S = 0.2
CONNECT_S = 10.0
FETCH_S = 2.0
"""Seconds that a worker may take to accept a connection: a lost one is tried again and again."""

HURRIED_S = 3.0
"""Seconds that a lost worker may take to come back while a user waits for the run to end."""

OWN_START_S = 30.0
"""Seconds that a worker of the run's own may take to be back after it was killed, on a busy machine."""

REST_S = 60.0
"""Seconds for which a worker that gave up a session gets no other: its disk may still be too full."""


class Dispatch:
    """Sends sessions to the workers of a `cluster`. Sessions' threads call everything but `has_room` and `reserve`."""

    def __init__(self, home: RunnerSide, cluster: Cluster, *, lost_after_s: float) -> None:
        self.repo = home.repo
        self.branch = home.branch
        self.run_id = home.paths.run_id
        self.monitor = home.monitor
        self._paths = home.paths
        self._config = msgspec.structs.replace(home.config, notify=NotifySettings(), warnings=())
        self._cluster = cluster
        self._lost_after_s = lost_after_s
        self._patience_s = max(lost_after_s, OWN_START_S) if cluster.local else lost_after_s
        self._seats = Seats(self.run_id)
        self._lock = Lock()
        self._back_until: dict[str, float] = {}
        self._rests_until: dict[str, float] = {}
        self._doubts = Doubts()
        self._awaiting = Awaiting(home.emit, partial(home.monitor.warn, None))
        self._picked: tuple[WorkerInfo, int] | None = None
        self._reserved: set[int] = set()
        self._missed: set[str] = set()
        self._uncopied: set[tuple[str, str]] = set()
        self._leases: dict[Lease, str] = {}
        self.bases = Bases()
        self._late = LateWork(home, self.fetch)
        self.deliveries = Deliveries()
        self.carriage = Carriage(home)
        self._refs = keep_changing(self.repo)

    # The loop's thread

    def has_room(self) -> bool:
        """Whether any worker has a free slot."""
        workers = self._cluster.workers()
        # Sessions of an earlier process have their records by now.
        self._cluster.listener = self._look_for_late_work
        with self._lock:
            now = time.monotonic()
            resting = [name for name, until in self._rests_until.items() if now < until]
            self._picked = self._seats.pick(workers, resting=resting, doubted=self._doubts.current(now))
        is_idle = self._picked is None and not self._reserved
        self._awaiting.look(workers, self._cluster.address, is_idle=is_idle)
        return self._picked is not None

    def _look_for_late_work(self, workers: Sequence[WorkerInfo]) -> None:
        self._late.look(workers, frozenset(self._reserved))

    def reserve(self, seq: int) -> Location:
        """The slot that `has_room` found; session `seq` will work there."""
        if self._picked is None:
            raise AssertionError(f"there is no room for session {seq}")
        worker, number = self._picked
        with self._lock:
            self._seats.take(number)
        self._picked = None
        self._reserved.add(seq)
        base = self.branch.tip
        self.bases.add(base)
        return Location(
            base_commit=base,
            worktree=f"{self._paths.worktrees.name}/slot-{number}",
            branch=session_branch(self.branch.name, seq),
            host=worker.name,
        )

    def free(self, session: Assignment) -> None:
        """The session no longer needs its slot."""
        with self._lock:
            self._seats.leave(int((session.worktree or "-0").rpartition("-")[2]))

    def over(self, session: Assignment, *, landed: Sequence[str] = ()) -> None:
        """The session has its record: from now on, what is left on its worker is fetched as late work.

        Of what is there, the commits that have `landed` need no other ref.
        """
        self._late.landed.update(landed)
        self._reserved.discard(session.seq)

    def close(self) -> None:
        """No more sessions will run: fetch what earlier ones left.

        Wait for the run's own workers, which nothing else will ever start again.
        """
        deadline = time.monotonic() + (OWN_START_S if self._cluster.local else 0.0)
        while self._missed - {worker.name for worker in self._cluster.workers()}:
            if time.monotonic() > deadline or self.monitor.hurried():
                break
            time.sleep(LOOK_S)
        self._look_for_late_work(self._cluster.workers())
        self._cluster.listener = None
        self._late.close()
        with suppress(GitFailed):
            self.carriage.close()
        self._refs.close()

    # Sessions' threads

    def reach(self, session: Assignment) -> WorkerLine:
        """Connect to a session's worker, which knows nothing of the session yet. Raises HostLost."""
        return self._connected(session.host or "", session.seq, CONNECT_S)

    def begin(self, line: WorkerLine, session: Assignment, attempt: int) -> tuple[Made, tuple[str, ...]]:
        """Begin a session on its worker; returns its lease, and the commits that are there. Raises HostLost."""
        lease = Lease(attempt, line.name)
        leased = acquire(self.repo, self.run_id, session.seq, lease, written=self._leases)
        asked = say.Begin(
            run_id=self.run_id,
            attempt=attempt,
            assignment=session,
            repository=self._repository,
            object_format=self._object_format,
            config=self._config,
            lost_after_s=self._lost_after_s,
            clone=self._clone_settings,
        )
        notes = read_regular(self._paths.notes(session.seq), NOTES_LIMIT) or b""
        begun, _ = line.ask(asked, say.Begun, notes)
        return leased, begun.has

    def remains(
        self,
        session: Assignment,
        attempt: int,
        take: Callable[[Sequence[str], Parcel], tuple[str, ...]],
    ) -> tuple[str, ...] | None:
        """Have `take` keep what a session left on its worker, and return its result; None if the worker stays away."""
        name, what = session.host or "", WorkLeft(self.run_id, session.seq, attempt, take)
        while True:
            with suppress(HostLost, StartError):  # an error of the worker's own is no reason to end the run
                refs = self.fetch(name, what)
                if refs is not None:
                    return refs
            if not self._cluster.may_have(name):
                return None
            if not self._may_come_back(name):
                self._missed.add(name)
                return None
            time.sleep(LOOK_S)

    def fetch(self, name: str, what: WorkLeft) -> tuple[str, ...] | None:
        """Fetch what is left of a session on a worker; None while it is still being ended. Raises HostLost."""
        line = self._connected(name, what.seq, FETCH_S)
        try:
            asked = say.Recover(run_id=what.run_id, seq=what.seq, attempt=what.attempt)
            left, beside = line.ask(asked, say.Leftovers)
            if not left.is_over:
                return None
            if left.aside is not None:
                self._say_aside(name, what, left.aside)
            with closing(beside):
                refs = what.take(left.tips, beside) if left.tips else ()
            line.say(say.Delivered())
            return refs
        finally:
            line.hang_up()

    def _say_aside(self, name: str, what: WorkLeft, folder: str) -> None:
        ours = what.run_id == self.run_id
        which = "the session" if ours else f"session {what.seq} of {what.run_id}"
        text = (
            f"git on worker {name} could not keep what {which} did: its clone is in {folder} there, and stays"
        )
        self.monitor.warn(what.seq if ours else None, text)

    def _may_come_back(self, name: str) -> bool:
        until = self._back_until.setdefault(name, time.monotonic() + self._patience_s)
        if self.monitor.hurried():
            until = self._back_until[name] = min(until, time.monotonic() + HURRIED_S)
        return time.monotonic() < until

    def lost(self, name: str) -> None:
        """A worker was lost during a session: it has `lost_after_s` seconds to come back with what is left."""
        self._back_until[name] = time.monotonic() + self._patience_s
        with self._lock:
            self._seats.shun(name)

    def _given_up(self, name: str, seq: int, why: str) -> None:
        with self._lock:
            self._rests_until[name] = time.monotonic() + REST_S
        self.warn(seq, why)

    def _doubt(self, name: str, seq: int, why: str) -> None:
        with self._lock:
            is_new = self._doubts.add(name, time.monotonic())
        if is_new:
            self.warn(seq, f"worker {name} gets no session for a while if others can take it: {why}")

    def uncopied(self, name: str, lacks: Sequence[str]) -> tuple[str, ...]:
        """What to warn of as a worker `lacks` these names of files to copy, which are here; once. Raises GitError."""
        with self._lock:
            new = [each for each in lacks if (name, each) not in self._uncopied]
            self._uncopied.update((name, each) for each in new)
        folder = f"{COPY}/{project(self.repo.root)}"
        return tuple(
            f"worker {name} has no {each} to copy, as your checkout has: put it into {folder} in the worker's --dir"
            for each in ignored_by(self.repo, new)
        )

    def warn_of_work_left(self, session: Assignment) -> None:
        """Warn of what a session did, and its worker did not hand over: it is lost, or has no room to keep it."""
        name = session.host or ""
        if self._cluster.find(name) is None:
            what = f"is lost: what the session did stays on its disk until a worker named {name} is back"
        else:
            what = (
                "cannot keep what the session did, as its log explains: that stays on its disk until it can"
            )
        self.warn(session.seq, f"worker {name} {what}")

    def warn(self, seq: int, text: str) -> None:
        """Warn of something that concerns a session."""
        self.monitor.warn(seq, text)

    def _connected(self, name: str, seq: int, patience_s: float) -> WorkerLine:
        worker = self._cluster.find(name)
        if worker is None:
            raise HostLost(name)
        try:
            wire = self._cluster.connect(worker, self._lost_after_s, patience_s)
        except (OSError, TimeoutError):
            raise HostLost(name) from None
        files, rest_s = HomeFiles(self._paths, seq), lambda: look_s(len(self._reserved))
        heard = Heard(partial(self._given_up, name, seq), partial(self._doubt, name, seq))
        return WorkerLine(name, wire, files, rest_s, heard)

    @cached_property
    def _clone_settings(self) -> CloneSettings:
        if names := ", ".join(filters_in_use(self.repo)):
            self.monitor.warn(
                None,
                f"on workers, files that go through git filters of yours ({names}) are as git stores them, and what"
                " sessions make of them is stored without: a clone takes over no filter",
            )
        return settings_of(self.repo)

    @cached_property
    def _object_format(self) -> str:
        return self.repo.line("rev-parse", "--show-object-format")

    @cached_property
    def _repository(self) -> str:
        """What workers call their clones of this repository."""
        root = self.repo.root
        return f"{project(root)}-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"


def project(root: Path) -> str:
    """What workers call the repository in a folder, apart from others in folders of that name."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", root.name).lstrip(".")[:100] or "repository"
