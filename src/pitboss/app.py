"""The composition root: builds the parts of a run, and nothing else.

What only a run that goes on needs is imported when it is built: a resume may be refused, and that should be quick.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from pitboss.core.environment import RUN_ID
from pitboss.engine.clock import SystemClock
from pitboss.engine.run import Run
from pitboss.landing.guard import Guard
from pitboss.store.anchors import anchor, hasten
from pitboss.store.backup import Backup
from pitboss.store.git_dir import git_folder
from pitboss.store.paths import RunPaths
from pitboss.store.prompt_watch import PromptWatch
from pitboss.store.rundir import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from pitboss.core.chooser import Chooser
    from pitboss.core.config import Config
    from pitboss.core.events import AgentStep, Observer, Outlet, RunEvent
    from pitboss.core.mission import Mission
    from pitboss.core.recovery.facts import DeadRun
    from pitboss.core.recovery.repairs import Repair
    from pitboss.core.run import RunState
    from pitboss.core.session import Assignment
    from pitboss.core.stops import StopRequest
    from pitboss.engine.bus import Bus
    from pitboss.engine.control import Control
    from pitboss.engine.journal import Journal
    from pitboss.engine.mending import Mender
    from pitboss.engine.parts import Parts
    from pitboss.engine.ports import Hosts, Places
    from pitboss.engine.recovery import Remains
    from pitboss.git.repo import Repo
    from pitboss.guardian import StopChannel
    from pitboss.hosts.this_machine import OnlyThisMachine
    from pitboss.landing.git_trouble import RepositoryMonitor
    from pitboss.landing.resilient import ResilientPlaces
    from pitboss.landing.run_branch import RunBranch
    from pitboss.store.restore import Lost
    from pitboss.workers.team import Team


def new_run_id(now: datetime) -> str:
    """`YYYYMMDDTHHMMSSZ-xxxx`, 4 random hex digits (SPEC 2)."""
    return f"{now:%Y%m%dT%H%M%SZ}-{os.urandom(2).hex()}"


def utc_now() -> datetime:
    """The clock of a live run."""
    return SystemClock().now()


def require_sandbox(config: Config) -> None:
    """Raise StartError if the sandbox that the configuration asks for cannot be made here."""
    if config.sandbox.is_fenced:
        from pitboss.process.holding import require_sandbox as require

        require(config.sandbox, os.environ)


def require_workers(mission: Mission) -> None:
    """Raise StartError if the run asks for workers that it could never reach."""
    if mission.workers_address is not None:
        from pitboss.workers.requirements import require_workers as require

        require(mission.workers_address, mission.config)


def lost_files(repo: Repo, run_id: str, *, force: bool) -> list[Lost]:
    """What `restore_files` would restore; changes nothing. Raises StorageError."""
    from pitboss.engine import restoring

    return restoring.lost_files(repo, run_id, force=force)


def restore_files(repo: Repo, run_id: str, *, force: bool) -> list[str]:
    """Restore files that are more complete in the copy in git's folder, under the run's lock (SPEC 7).

    Returns what to tell the user. Raises StorageError, GitError.
    """
    from pitboss.engine import restoring

    return restoring.restore_files(repo, run_id, force=force)


def plan_repair(repo: Repo, run_id: str, *, force: bool) -> tuple[Repair, ...]:
    """What `Run.repair` would do, in order; changes nothing (SPEC 7)."""
    from pitboss.core.config import Config
    from pitboss.core.recovery.plan import plan_recovery
    from pitboss.engine.dead_run import inspect

    rundir = RunDir(RunPaths(repo.root, run_id))

    def hosts() -> Hosts:
        return _hosts(repo, rundir.paths, Config())  # no agent runs, so their settings do not matter

    _, facts = inspect(rundir, repo, hosts, goes_on_here=False, force=force)
    return plan_recovery(facts)


def _hosts(repo: Repo, paths: RunPaths, config: Config) -> OnlyThisMachine:
    """This machine, for all sessions of a run."""
    from pitboss.hosts.surroundings import Surroundings
    from pitboss.hosts.this_machine import OnlyThisMachine
    from pitboss.landing.fenced_git import FencedGit

    def tree(session: Assignment) -> str:
        return str(repo.root if session.worktree is None else paths.working_copy(session.worktree))

    surroundings = Surroundings(paths, dict(os.environ), tree, fenced=config.sandbox.is_fenced)
    return OnlyThisMachine(surroundings, config, FencedGit(repo, paths).of)


def _team(
    mission: Mission, paths: RunPaths, here: Callable[[], OnlyThisMachine], emit: Observer
) -> Team | None:
    """The workers of a run that has any. Raises StartError."""
    address = mission.workers_address
    if address is None:
        return None
    from pitboss.workers.team import Team

    return Team(address, mission, paths, here(), emit)


@contextmanager
def observed(outlets: Callable[[], Sequence[Outlet[Any]]], warnings: Sequence[str]) -> Iterator[Observer]:
    """The observer that a run reports to and `outlets` show, `warnings` first. At the end they get time to catch up.

    They are made for the first event: a run that is refused has none.
    """
    bus: Bus | None = None
    making = Lock()

    def emit(event: RunEvent | AgentStep) -> None:
        nonlocal bus
        if bus is None:
            with making:
                bus = bus or _bus(outlets)
        bus(event)

    try:
        if warnings:
            from pitboss.core.events import Warned

            for text in warnings:
                emit(Warned(text=text))
        yield emit
    finally:
        if bus is not None:
            bus.close()


def _bus(outlets: Callable[[], Sequence[Outlet[Any]]]) -> Bus:
    from pitboss.engine.bus import Bus

    return Bus(outlets())


def build_run(mission: Mission, repo: Repo, run_id: str, channel: StopChannel, emit: Observer) -> Run:
    """A run that can be started, resumed or repaired; the caller holds the lock."""
    os.environ[RUN_ID] = run_id
    builder = LiveBuilder(mission, repo, run_id, channel, emit)
    for folder in filter(None, (repo.root, git_folder(repo.root))):
        anchor(folder)
    hasten()
    return Run(mission, builder.repo, builder, builder.guard, builder.backup, emit)


class LiveBuilder:
    """Builds one run on the real adapters (`engine.run.Builder`)."""

    def __init__(
        self, mission: Mission, repo: Repo, run_id: str, channel: StopChannel, emit: Observer
    ) -> None:
        self.run_id = run_id
        self.clock = SystemClock()
        self.backup = Backup(repo.root)
        self._control: Control | None = None
        self.repo = repo.authored_by(mission.config.author).on_leash(self._abort)
        self.guard = Guard(
            self.repo,
            RunPaths(repo.root, run_id).root,
            fenced=mission.config.sandbox.is_fenced,
            apart=not mission.in_place,
        )
        hooks = None if self.guard.kept_hooks is None else self.guard.kept_hooks.folder
        if hooks is not None:
            self.repo = self.repo.with_hooks(hooks)
        self._as_found = repo
        self._mission = mission
        self._team = _team(mission, RunPaths(repo.root, run_id), lambda: self._here, emit)
        self._channel = channel
        self._emit = emit
        self._prompt_files = PromptWatch(mission.prompts)

    @property
    def hosts(self) -> Hosts:
        """This machine, or workers."""
        return self._here if self._team is None else self._team.hosts

    @cached_property
    def _here(self) -> OnlyThisMachine:
        return _hosts(self._as_found, RunPaths(self.repo.root, self.run_id), self._mission.config)

    @cached_property
    def chooser(self) -> Chooser:
        """The rotation, and the queue before it."""
        from pitboss.core.choosers.for_run import chooser_for

        mission = self._mission
        return chooser_for(
            mission.rotation, mission.prompts, mission.config.grind, max_parallel=mission.max_parallel
        )

    def load_branch(self) -> None:
        """Load what `branch` needs, while the caller would wait for something else."""
        import pitboss.landing.run_branch  # noqa: F401

    def load_parts(self) -> None:
        """The same for `journal` and `parts`."""
        import pitboss.engine.control
        import pitboss.engine.journal
        import pitboss.engine.parts
        import pitboss.landing.places
        import pitboss.landing.resilient  # noqa: F401

    def branch(self, name: str) -> RunBranch:
        """The run branch of that name."""
        from pitboss.landing.run_branch import RunBranch

        return RunBranch(self.repo, name, checked_out=self._mission.in_place)

    def journal(self, rundir: RunDir, state: RunState) -> Journal:
        """The journal of a run that begins with `state`."""
        from pitboss.engine.journal import Journal

        return Journal(rundir, state, self.chooser, self.clock.now)

    def mender(self, rundir: RunDir, dead: DeadRun, branch: RunBranch) -> Mender:
        """What repairs the files of a dead run."""
        from pitboss.engine.mending import Mender
        from pitboss.git.switch import Switch

        return Mender(rundir, dead, branch, Switch(self.repo, rundir.paths.switch), self.chooser, self.hosts)

    def parts(self, branch: RunBranch, journal: Journal) -> Parts:
        """The parts of the live run."""
        from pitboss.agents.table import check_agent
        from pitboss.core.redact import Secrets
        from pitboss.engine.control import Control
        from pitboss.engine.parts import Outside, Parts

        control = Control(self._channel, journal.rundir.paths, self._emit)
        self._control = control
        places = self._all_places(branch, journal, control)
        outside = Outside(
            hosts=self.hosts,
            places=places,
            remains=lambda: self._remains(places, journal),
            clock=self.clock,
            secrets=Secrets.of(os.environ),
            backup=self.backup,
            prompt_files=self._prompt_files,
            tidy=self.repo.tidy,
            check_agent=lambda name: check_agent(name, self._mission.config),
            runner=os.uname().nodename,
        )
        return Parts(self._mission, self.chooser, journal, control, outside, self._emit)

    def _remains(self, places: Places, journal: Journal) -> Remains:
        from pitboss.engine.remains import GitRemains

        return GitRemains(self.repo, places, journal, self.chooser, self.clock.now)

    def _all_places(self, branch: RunBranch, journal: Journal, control: Control) -> Places:
        here, monitor = self._places(branch, journal, control)
        if self._team is None:
            return here
        return self._team.places(here, monitor, self.repo, branch, self._mission.config)

    def _places(
        self, branch: RunBranch, journal: Journal, control: Control
    ) -> tuple[ResilientPlaces, RepositoryMonitor]:
        from pitboss.landing.git_trouble import RepositoryMonitor
        from pitboss.landing.places import GitPlaces
        from pitboss.landing.resilient import ResilientPlaces
        from pitboss.landing.site import Site

        grind = self._mission.config.grind
        site = Site(
            repo=self.repo,
            branch=branch,
            paths=journal.rundir.paths,
            worktree=grind.worktree,
            ignored_limit=grind.rescue_ignored_mb * 1024 * 1024,
        )
        places = GitPlaces(site)
        monitor = RepositoryMonitor(places, self.guard, self._emit, control.abort_session)
        return ResilientPlaces(places, monitor, journal), monitor

    def _abort(self) -> StopRequest | None:
        return None if self._control is None else self._control.abort_session()
