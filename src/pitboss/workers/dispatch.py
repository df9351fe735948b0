"""The runner's side of all its workers: who takes a session, and how it gets there and back (SPEC 14)."""

from __future__ import annotations

import hashlib
import re
import time
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pitboss.core.config import NotifySettings
from pitboss.core.host import HostLost
from pitboss.core.leases import Lease
from pitboss.core.session import Location
from pitboss.landing.lease_refs import acquire
from pitboss.landing.refs import session_branch
from pitboss.store.files import read_regular
from pitboss.workers import messages as say
from pitboss.workers.home_files import HomeFiles
from pitboss.workers.line import WorkerLine
from pitboss.workers.roster import Seats

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.config import Config
    from pitboss.core.session import Assignment
    from pitboss.git.repo import Repo
    from pitboss.landing.git_trouble import RepositoryMonitor
    from pitboss.landing.run_branch import RunBranch
    from pitboss.store.paths import RunPaths
    from pitboss.workers.cluster import Cluster

NOTES_LIMIT = 16 * 1024 * 1024
LOOK_S = 0.2
HURRIED_S = 3.0
"""Seconds that a lost worker may take to come back while somebody waits for the run to end."""

NOBODY_S = 15.0
"""Seconds after which it is said that no worker is there."""


class Home(NamedTuple):
    """What sessions on workers need of the runner's machine."""

    repo: Repo
    branch: RunBranch
    paths: RunPaths
    monitor: RepositoryMonitor
    config: Config


class Dispatch:
    """Sends sessions to the workers of a `cluster`. Sessions' threads call everything but `has_room` and `reserve`."""

    def __init__(self, home: Home, cluster: Cluster, *, lost_after_s: float) -> None:
        self.repo = home.repo
        self.branch = home.branch
        self.run_id = home.paths.run_id
        self.monitor = home.monitor
        self._paths = home.paths
        self._config = msgspec.structs.replace(home.config, notify=NotifySettings(), warnings=())
        self._cluster = cluster
        self._lost_after_s = lost_after_s
        self._seats = Seats()
        self._lock = Lock()
        self._back_until: dict[str, float] = {}
        self._alone_since: float | None = None

    # The loop's thread

    def has_room(self) -> bool:
        """Whether any worker has a free slot."""
        workers = self._cluster.workers()
        self._look_after(any(worker.slots for worker in workers))
        with self._lock:
            return self._seats.pick(workers) is not None

    def _look_after(self, somebody: bool) -> None:
        if somebody:
            self._alone_since = None
            return
        now = time.monotonic()
        if self._alone_since is None:
            self._alone_since = now
        elif now - self._alone_since > NOBODY_S:
            self._alone_since = float("inf")
            self.monitor.warn(0, "no worker is there that could take a session: the run waits")

    def reserve(self, seq: int) -> Location:
        """The slot on a worker in which session `seq` will work. Raises HostLost if the last one has just gone."""
        workers = self._cluster.workers()
        with self._lock:
            picked = self._seats.pick(workers)
            if picked is None:
                raise HostLost("(none)")
            worker, number = picked
            self._seats.take(number)
        return Location(
            base_commit=self.branch.tip,
            worktree=f"{self._paths.worktrees.name}/slot-{number}",
            branch=session_branch(self.branch.name, seq),
            host=worker.name,
        )

    def free(self, session: Assignment) -> None:
        """The session no longer needs its slot."""
        with self._lock:
            self._seats.leave(int((session.worktree or "-0").rpartition("-")[2]))

    # Sessions' threads

    def begin(self, session: Assignment, attempt: int) -> tuple[WorkerLine, tuple[str, ...]]:
        """Begin a session on its worker; returns its line, and the commits that are there. Raises HostLost."""
        line = self._connected(session)
        acquire(self.repo, self.run_id, session.seq, Lease(attempt, line.name))
        asked = say.Begin(
            run_id=self.run_id,
            attempt=attempt,
            assignment=session,
            repository=self._repository,
            object_format=self.repo.line("rev-parse", "--show-object-format"),
            config=self._config,
            lost_after_s=self._lost_after_s,
        )
        notes = read_regular(self._paths.notes(session.seq), NOTES_LIMIT) or b""
        begun, _ = line.ask(asked, say.Begun, notes)
        return line, begun.has

    def remains(
        self,
        session: Assignment,
        attempt: int,
        take: Callable[[Sequence[str], bytes], tuple[str, ...]],
    ) -> tuple[str, ...] | None:
        """Have `take` keep what a session left on its worker, and return what it returns; None if that stays away."""
        asked = say.Recover(run_id=self.run_id, repository=self._repository, seq=session.seq, attempt=attempt)
        while True:
            try:
                line = self._connected(session)
                left, beside = line.ask(asked, say.Leftovers)
                if left.is_over:
                    refs = take(left.tips, beside) if left.tips else ()
                    line.say(say.Delivered())
                    line.hang_up()
                    return refs
                line.hang_up()
            except HostLost:
                pass
            if not self._may_come_back(session.host or ""):
                return None
            time.sleep(LOOK_S)

    def _may_come_back(self, name: str) -> bool:
        until = self._back_until.setdefault(name, time.monotonic() + self._lost_after_s)
        if self.monitor.hurried():
            until = self._back_until[name] = min(until, time.monotonic() + HURRIED_S)
        return time.monotonic() < until

    def lost(self, name: str) -> None:
        """A worker was lost with a session: it has `lost_after_s` to come back with what is left."""
        self._back_until[name] = time.monotonic() + self._lost_after_s
        with self._lock:
            self._seats.shun(name)

    def warn(self, seq: int, text: str) -> None:
        """Warn of something that concerns a session."""
        self.monitor.warn(seq, text)

    def _connected(self, session: Assignment) -> WorkerLine:
        name = session.host or ""
        worker = self._cluster.find(name)
        if worker is None:
            raise HostLost(name)
        try:
            wire = self._cluster.connect(worker, self._lost_after_s)
        except (OSError, TimeoutError):
            raise HostLost(name) from None
        return WorkerLine(name, wire, HomeFiles(self._paths, session.seq))

    @property
    def _repository(self) -> str:
        """What workers call their clones of this repository."""
        root = str(self.repo.root)
        name = re.sub(r"[^A-Za-z0-9._-]", "-", self.repo.root.name).lstrip(".")[:100] or "repository"
        return f"{name}-{hashlib.sha256(root.encode()).hexdigest()[:12]}"
