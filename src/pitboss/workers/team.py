"""Joins the runner's side of its workers: one cluster, the hosts and places on it (SPEC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.host import HostLost
from pitboss.store.files import make_directory
from pitboss.workers.clones import COPY
from pitboss.workers.cluster import Cluster, Membership
from pitboss.workers.dispatch import Dispatch, project
from pitboss.workers.remote_host import WorkerHosts
from pitboss.workers.roster import needed_agents
from pitboss.workers.runner_side import RunnerSide
from pitboss.workers.worker_places import WorkerPlaces

if TYPE_CHECKING:
    from pitboss.core.config import Config
    from pitboss.core.events import Observer
    from pitboss.core.mission import Mission
    from pitboss.core.session import Assignment
    from pitboss.git.repo import Repo
    from pitboss.hosts.this_machine import OnlyThisMachine
    from pitboss.landing.git_trouble import RepositoryMonitor
    from pitboss.landing.resilient import ResilientPlaces
    from pitboss.landing.run_branch import RunBranch
    from pitboss.store.paths import RunPaths
    from pitboss.workers.line import WorkerLine


class Team:
    """The workers of one run; nothing is started before the first of them is needed."""

    def __init__(
        self, address: str, mission: Mission, paths: RunPaths, here: OnlyThisMachine, emit: Observer
    ) -> None:
        settings = mission.config.workers
        needed = needed_agents(mission.agents, mission.config)
        membership = Membership(address=address, tls=settings.tls, agents=needed)
        self._cluster = Cluster(membership, paths.root / "workers", paths.workers)
        self._settings = settings
        self._paths = paths
        self._emit = emit
        self._places: WorkerPlaces | None = None
        self.hosts = WorkerHosts(here, self._line)

    def places(
        self,
        home: ResilientPlaces,
        monitor: RepositoryMonitor,
        repo: Repo,
        branch: RunBranch,
        config: Config,
    ) -> WorkerPlaces:
        """The places of the run; sessions land in `home`."""
        base = RunnerSide(
            repo=repo, branch=branch, paths=self._paths, monitor=monitor, config=config, emit=self._emit
        )
        dispatch = Dispatch(base, self._cluster, lost_after_s=self._settings.lost_after_s)
        for folder in self._cluster.folders:
            make_directory(folder / COPY)
            link = folder / COPY / project(repo.root)
            if not link.is_symlink():
                link.symlink_to(repo.root)  # on this machine the user's tree has what sessions need
        self._places = WorkerPlaces(home, dispatch, self._cluster)
        return self._places

    def _line(self, session: Assignment) -> WorkerLine:
        if self._places is None:
            raise HostLost(session.host or "(none)")
        return self._places.line(session)
