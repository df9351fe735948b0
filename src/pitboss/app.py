"""The composition root: builds what a run is made of, and nothing else."""

from __future__ import annotations

import os
import secrets
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Event
from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.agents.table import build_agent
from pitboss.checks import run_tests
from pitboss.core.choosers.room import Room
from pitboss.core.choosers.rotation import RotationChooser
from pitboss.core.environment import RUN_ID
from pitboss.core.events import Aborting, Draining, Warned
from pitboss.core.recovery.plan import plan_recovery
from pitboss.core.redact import Secrets
from pitboss.core.rotation import contenders
from pitboss.core.stops import StopBy, StopLevel, StopRequest
from pitboss.engine import restoring
from pitboss.engine.agent_files import AgentFiles
from pitboss.engine.announcing import Announcer, Outlook
from pitboss.engine.billing import Billing
from pitboss.engine.brakes import Brakes, Past
from pitboss.engine.bus import Bus
from pitboss.engine.clock import SystemClock
from pitboss.engine.control import Control
from pitboss.engine.dead_run import dead_run, gather_facts
from pitboss.engine.delivery import Delivery
from pitboss.engine.dispatching import Dispatcher, Workers
from pitboss.engine.gate import Gate
from pitboss.engine.git_settings import put_back_settings
from pitboss.engine.grinding import Grinding
from pitboss.engine.implementing import Implementing
from pitboss.engine.journal import Journal
from pitboss.engine.loop import Loop
from pitboss.engine.mending import Mender
from pitboss.engine.meter import Meter
from pitboss.engine.pool import Pool
from pitboss.engine.preparation import Preparation
from pitboss.engine.recording import Recorder
from pitboss.engine.recovery import Autopsy, Settling
from pitboss.engine.remains import GitRemains
from pitboss.engine.request import Requests, Surroundings
from pitboss.engine.retrying import Retrying
from pitboss.engine.run import Mission, Run
from pitboss.engine.session import SessionRunner
from pitboss.engine.session_hooks import SessionHooks
from pitboss.engine.spending import Spending
from pitboss.engine.start import Undertaking, prompt_facts, started
from pitboss.engine.verify import Fixing, ProjectTests, Verifier
from pitboss.engine.waiting import Waiting
from pitboss.engine.watching import WatchedAgents
from pitboss.git.repo import Repo
from pitboss.git.switch import Switch
from pitboss.hooks import run_hook
from pitboss.landing.git_trouble import Watch
from pitboss.landing.guard import Guard
from pitboss.landing.places import GitPlaces
from pitboss.landing.resilient import ResilientPlaces
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.site import Site
from pitboss.store.backup import Backup
from pitboss.store.git_dir import git_folder
from pitboss.store.opening import anchor
from pitboss.store.paths import RunPaths
from pitboss.store.rundir import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from pitboss.checks import TestResult
    from pitboss.core.chooser import Chooser
    from pitboss.core.events import Observer, Outlet, RunStarted
    from pitboss.core.prompt import PromptMeta
    from pitboss.core.recovery.facts import DeadRun
    from pitboss.core.recovery.repairs import Repair
    from pitboss.core.run import RunState
    from pitboss.engine.clock import Clock
    from pitboss.engine.ports import Agent, Places
    from pitboss.engine.recovery import Remains
    from pitboss.guardian import StopChannel
    from pitboss.hooks import HookResult
    from pitboss.plan import Plan
    from pitboss.store.restore import Lost


def new_run_id(now: datetime) -> str:
    """`YYYYMMDDTHHMMSSZ-xxxx`, 4 random hex digits (SPEC 2)."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def utc_now() -> datetime:
    """The clock of a live run."""
    return SystemClock().now()


def find_repo(root: Path, here: Path, requested: str | None, *, purpose: str) -> tuple[Repo, tuple[str, ...]]:
    """The repository of a run that is to go on, and what to warn of: git may be able to find it only by then.

    `root` is where its `.git` seems to be. Raises NotARepository.
    """
    told = put_back_settings(root, requested)
    return Repo.discover(here, purpose=purpose), told


def lost_files(repo: Repo, run_id: str, *, force: bool) -> list[Lost]:
    """What `restore_files` would bring back; changes nothing. Raises StorageError."""
    return restoring.lost_files(repo, run_id, force=force)


def restore_files(repo: Repo, run_id: str, *, force: bool) -> list[str]:
    """Bring back what the copy in git's folder knows better, under the run's lock (SPEC 7).

    Returns what to tell the user. Raises StorageError, GitError.
    """
    return restoring.restore_files(repo, run_id, force=force)


def plan_repair(repo: Repo, run_id: str, *, force: bool) -> tuple[Repair, ...]:
    """What `Run.repair` would do, in order; changes nothing (SPEC 7)."""
    rundir = RunDir(RunPaths(repo.root, run_id))
    dead = dead_run(rundir)
    return plan_recovery(gather_facts(dead, rundir.paths, repo, goes_on_here=False, force=force))


@contextmanager
def observed(outlets: Sequence[Outlet[Any]], warnings: Sequence[str]) -> Iterator[Observer]:
    """What a run tells its news to, and `outlets` show: `warnings` first. In the end they get time to catch up."""
    with closing(Bus(outlets)) as emit:
        for text in warnings:
            emit(Warned(text=text))
        yield emit


def build_run(plan: Plan, repo: Repo, run_id: str, channel: StopChannel, emit: Observer) -> Run:
    """A run that can be started, resumed or repaired, under a lock that the caller holds."""
    os.environ[RUN_ID] = run_id
    builder = Builder(plan, repo, run_id, channel, emit)
    for folder in filter(None, (repo.root, git_folder(repo.root))):
        anchor(folder)
    mission = Mission(
        run_id=run_id,
        rotation=plan.rotation.name,
        prompt_names=plan.rotation.prompt_names,
        caps=plan.caps,
        in_place=plan.config.grind.mode == "in-place",
        selection=plan.selection,
        allow_prompt_changes=plan.allow_prompt_changes,
        start_from=plan.start_from,
    )
    return Run(mission, builder.repo, builder, builder.guard, builder.backup, emit)


class Builder:
    """Builds one run on the real outside (`engine.run.Builder`)."""

    def __init__(self, plan: Plan, repo: Repo, run_id: str, channel: StopChannel, emit: Observer) -> None:
        self.clock = SystemClock()
        self.backup = Backup(repo.root)
        self._aborting = Event()
        self.repo = repo.authored_by(plan.config.author).on_leash(self._abort)
        self.guard = Guard(self.repo, RunPaths(repo.root, run_id).root)
        self._plan = plan
        self._channel = channel
        self._emit = emit
        room = Room.of(plan.prompts, max_parallel=plan.max_parallel, mode=plan.config.grind.mode)
        self._chooser = RotationChooser.of(plan.rotation, plan.prompts, room)

    def branch(self, name: str) -> RunBranch:
        """The run branch of that name."""
        return RunBranch(self.repo, name, checked_out=self._plan.config.grind.mode == "in-place")

    def journal(self, rundir: RunDir, state: RunState) -> Journal:
        """The memory of a run that begins with `state`."""
        return Journal(rundir, state, self._chooser, self.clock.now)

    def mender(self, rundir: RunDir, dead: DeadRun, branch: RunBranch) -> Mender:
        """What makes the files of a dead run whole again."""
        return Mender(rundir, dead, branch, Switch(self.repo, rundir.paths.switch), self._chooser)

    def parts(self, branch: RunBranch, journal: Journal) -> Parts:
        """The parts of the live run."""
        control = Control(self._channel, journal.rundir.paths, self._raised(journal))
        places = self._places(branch, journal, control)
        outside = Outside(
            agent=lambda name: build_agent(name, self._plan.config),
            places=places,
            remains=GitRemains(self.repo, places, journal, self._chooser, self.clock.now),
            clock=self.clock,
            run_hook=run_hook,
            run_tests=run_tests,
            backup=self.backup,
            tidy=self.repo.tidy,
            environ=dict(os.environ),
            host=os.uname().nodename,
        )
        return Parts(self._plan, self._chooser, journal, control, outside, self._emit)

    def _places(self, branch: RunBranch, journal: Journal, control: Control) -> ResilientPlaces:
        grind = self._plan.config.grind
        site = Site(
            repo=self.repo,
            branch=branch,
            paths=journal.rundir.paths,
            worktree=grind.worktree,
            ignored_limit=grind.rescue_ignored_mb * 1024 * 1024,
        )
        places = GitPlaces(site)
        watch = Watch(places, self.guard, self._emit, control.abort_session)
        return ResilientPlaces(places, watch, journal)

    def _raised(self, journal: Journal) -> Callable[[StopLevel, StopBy], None]:
        def raised(level: StopLevel, by: StopBy) -> None:
            if level is StopLevel.DRAIN:
                in_flight = tuple(session.seq for session in journal.state.in_flight)
                self._emit(Draining(by=by, in_flight=in_flight))
            else:
                self._aborting.set()
                self._emit(Aborting(by=by))

        return raised

    def _abort(self) -> StopRequest | None:
        return StopRequest.ABORT if self._aborting.is_set() else None


@dataclass(frozen=True, kw_only=True)
class Outside:
    """What the parts of a run use of the outside: its ports, and what the process inherited."""

    agent: Callable[[str], Agent]
    places: Places
    remains: Remains
    clock: Clock
    run_hook: Callable[..., HookResult]
    run_tests: Callable[..., TestResult]
    backup: Backup
    tidy: Callable[[], None]
    environ: Mapping[str, str]
    host: str


class Parts:
    """Joins the parts of one live run, each when it is first asked for (`engine.run.Parts`)."""

    def __init__(
        self,
        plan: Plan,
        chooser: Chooser,
        journal: Journal,
        control: Control,
        outside: Outside,
        emit: Observer,
    ) -> None:
        self.journal = journal
        self.control = control
        self._plan = plan
        self._config = plan.config
        self._chooser = chooser
        self._outside = outside
        self._emit = emit
        self._now = outside.clock.now
        self._paths = journal.rundir.paths
        self._places = outside.places

    # What begins and ends the run

    def started(self, *, resumed: bool = False) -> RunStarted:
        """What viewers learn of the run now."""
        takers = contenders(self._plan.rotation, self._plan.prompts)
        undertaking = Undertaking(
            prompts=prompt_facts(self._config, self._plan.prompts, takers),
            caps=self._plan.caps,
            mode=self._config.grind.mode,
            max_parallel=self._plan.max_parallel,
            host=self._outside.host,
        )
        return started(undertaking, self.journal, self._outlook.next_pick(), resumed=resumed)

    def grind(self, past: Past) -> int:
        """Run sessions until something says stop; returns the exit code."""
        stays = self._config.grind.stay or self._config.grind.mode != "in-place"
        grinding = Grinding(
            self._places,
            self.journal,
            self.control,
            self._outside.backup,
            self._announcer,
            stays=stays,
        )
        brakes = Brakes(self.control, self._spending, self.journal, self._config, past, self._emit)
        pool = Pool(self.dispatcher.dispatch, self.sessions.run)
        loop = Loop(self._chooser, brakes, pool, self.journal, self.control, self._gate)
        return grinding.grind(loop, brakes, tidy=self._outside.tidy)

    @cached_property
    def settling(self) -> Settling:
        """What settles sessions that were cut short."""
        autopsy = Autopsy(self._billing, self.journal, self._files, self._now)
        return Settling(self.sessions, autopsy, self._outside.remains, self.journal, self.control, self._emit)

    # One session

    @cached_property
    def dispatcher(self) -> Dispatcher:
        """What puts sessions on record as in flight."""
        workers = Workers(self._config, self._meta)
        return Dispatcher(self.journal, self.control, self._places, workers, self._announcer, self._now)

    def _meta(self, prompt: str) -> PromptMeta:
        return self._plan.prompts[prompt].meta

    @cached_property
    def sessions(self) -> SessionRunner:
        """What brings sessions to their records."""
        return SessionRunner(
            Preparation(self._places, self._hooks, self._emit, self._now),
            Implementing(self._retrying, self._requests, self.control, self._files, self._emit, self._now),
            Delivery(self.journal, self._places, self._verifier, self._files, self._config, self._emit),
            self._recorder,
            self._hooks,
            self.journal,
        )

    @cached_property
    def _hooks(self) -> SessionHooks:
        settings = msgspec.structs.replace(self._config.grind, hooks=self._plan.hooks)
        return SessionHooks(
            settings, self._surroundings, self.control, self.journal, self._emit, self._outside.run_hook
        )

    @cached_property
    def _retrying(self) -> Retrying:
        agents = WatchedAgents(
            self._outside.agent, self.journal, self.control, self._spending, self._gate, self._emit
        )
        clock = self._outside.clock
        waiting = Waiting(self._gate, self.journal, self.control, self._spending, self._emit, clock)
        return Retrying(agents, self._requests, waiting, self.journal, clock, limits=self._config.limits)

    @cached_property
    def _verifier(self) -> Verifier:
        command, run = self._config.test_command, self._outside.run_tests
        tests = ProjectTests(command, self._surroundings, self.control, self._emit, run)
        most = self._config.fixer_max_attempts
        fixing = Fixing(self._retrying, self._requests, self._emit, most=most)
        return Verifier(tests, fixing, self._billing, self._plan.prompts, self._now)

    @cached_property
    def _billing(self) -> Billing:
        return Billing(self._outside.agent, self._requests, self.journal, self._paths)

    @cached_property
    def _recorder(self) -> Recorder:
        return Recorder(
            self.journal,
            self._spending,
            self.control,
            self._files,
            self._announcer,
            keep_transcripts=self._config.grind.transcript_retention == "keep_all",
        )

    # What they share

    @cached_property
    def _requests(self) -> Requests:
        return Requests(self._config, self._plan.prompts, self._paths, self._surroundings, self._spending)

    @cached_property
    def _surroundings(self) -> Surroundings:
        environ = self._outside.environ
        return Surroundings(self._places, self._paths, environ)

    @cached_property
    def _announcer(self) -> Announcer:
        return Announcer(self._emit, self._outlook.next_pick, self._outside.host)

    @cached_property
    def _outlook(self) -> Outlook:
        return Outlook(self._chooser, self.journal, self.control, self._spending)

    @cached_property
    def _spending(self) -> Spending:
        hard = self._config.hard_budgets
        return Spending(self._plan.caps, self._meter, self.journal, self._now, hard=hard)

    @cached_property
    def _meter(self) -> Meter:
        return Meter(self._plan.caps)

    @cached_property
    def _gate(self) -> Gate:
        return Gate(self._config.limits.pause_at, self.journal.state.quota)

    @cached_property
    def _files(self) -> AgentFiles:
        return AgentFiles(self._paths, Secrets.of(self._outside.environ), self._emit)
