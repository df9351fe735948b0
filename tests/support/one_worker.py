"""A worker beside a test, in the same process: its sessions come by real connections, and there is no scheduler."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pitboss import __version__
from pitboss.core.config import Config
from pitboss.core.stops import StopLevel
from pitboss.workers.background_loop import BackgroundLoop
from pitboss.workers.cluster import Cluster, Membership
from pitboss.workers.dispatch import Dispatch
from pitboss.workers.extra import quiet_dask
from pitboss.workers.messages import VERSION
from pitboss.workers.reception import Reception
from pitboss.workers.roster import WorkerFacts, WorkerInfo
from pitboss.workers.runner_side import RunnerSide
from pitboss.workers.worker_desk import WorkerDesk
from pitboss.workers.worker_places import WorkerPlaces

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pitboss.core.session import Assignment
    from pitboss.git.repo import Repo
    from pitboss.landing.git_trouble import RepositoryMonitor
    from pitboss.landing.resilient import ResilientPlaces
    from pitboss.landing.run_branch import RunBranch
    from pitboss.store.paths import RunPaths

NAME = "rack"
NOWHERE = "tcp://127.0.0.1:1"
SLOTS = 4
LOST_AFTER_S = 60.0


class OneWorker:
    """The worker `rack`; its disk is `folder`."""

    def __init__(self, folder: Path, environ: Mapping[str, str]) -> None:
        folder.mkdir(parents=True)
        quiet_dask()
        self._folder = folder
        self._loop = BackgroundLoop()
        self._desk = WorkerDesk(folder, environ)
        self._reception = reception = Reception(self._desk.attend, folder)
        self._loop.run(reception.open(NOWHERE, None))
        self._facts = WorkerFacts(
            version=__version__, messages=VERSION, slots=SLOTS, pid=0, port=reception.port, host=NAME
        )
        self._runs: list[_Known] = []

    @property
    def info(self) -> WorkerInfo:
        """What a scheduler would say of it."""
        return WorkerInfo(
            name=NAME, address=NOWHERE, last_seen=time.time(), facts=self._facts, answering=True
        )

    def places(
        self,
        home: ResilientPlaces,
        monitor: RepositoryMonitor,
        repo: Repo,
        branch: RunBranch,
        paths: RunPaths,
        config: Config | None = None,
    ) -> WorkerPlaces:
        """The places of a run that has this worker alone. An earlier process of the run has died."""
        self._hang_up()
        side = RunnerSide(
            repo=repo,
            branch=branch,
            paths=paths,
            monitor=monitor,
            config=config or Config(),
            emit=lambda _: None,
        )
        cluster = _Known(self, paths)
        self._runs.append(cluster)
        return WorkerPlaces(home, Dispatch(side, cluster, lost_after_s=LOST_AFTER_S), cluster)

    def tree(self, session: Assignment) -> Path:
        """Where a session works. Raises FileNotFoundError if it does not."""
        (found,) = self._folder.glob(f"repositories/*/.pitboss/grind/runs/*/{session.worktree}") or (None,)
        if found is None:
            raise FileNotFoundError(session.worktree)
        return found

    def close(self) -> None:
        """End the worker, and the connections to it."""
        self._hang_up()
        self._desk.leave(StopLevel.DRAIN)
        self._loop.run(self._stop_listening())
        self._loop.close()

    async def _stop_listening(self) -> None:
        self._reception.close()

    def _hang_up(self) -> None:
        while self._runs:
            self._runs.pop().close()


class _Known(Cluster):
    """A cluster whose only worker is known without asking a scheduler."""

    def __init__(self, worker: OneWorker, paths: RunPaths) -> None:
        super().__init__(Membership(address=NOWHERE), paths.root / "workers", paths.workers)
        self._only = worker

    def workers(self) -> tuple[WorkerInfo, ...]:
        super().workers()
        return (self._only.info,)

    def find(self, name: str) -> WorkerInfo | None:
        return next((worker for worker in self.workers() if worker.name == name), None)
