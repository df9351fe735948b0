"""The composition root: builds the adapters a run needs and hands them to the engine (SPEC 5, 7)."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial, reduce
from threading import Event
from typing import TYPE_CHECKING

from pitboss.agents.table import build_agent
from pitboss.core.choosers.room import Room
from pitboss.core.choosers.rotation import RotationChooser
from pitboss.core.environment import RUN_ID
from pitboss.core.events import Aborting, Draining, Repaired, Warned
from pitboss.core.recovery.facts import DeadRun
from pitboss.core.recovery.plan import plan_recovery
from pitboss.core.recovery.refusals import refuse_used_up, validate_resume
from pitboss.core.redact import Secrets
from pitboss.core.rotation import contenders
from pitboss.core.run import RunState, build_state, spend
from pitboss.core.stops import RunStatus, StopBy, StopLevel, StopRequest
from pitboss.engine import restoring
from pitboss.engine.brakes import Brakes, Past
from pitboss.engine.context import RunContext
from pitboss.engine.control import Control
from pitboss.engine.dead_run import dead_run, gather_facts
from pitboss.engine.examining import examine
from pitboss.engine.gate import Gate
from pitboss.engine.git_settings import cut_short_before, put_back_settings
from pitboss.engine.journal import Journal
from pitboss.engine.loop import Loop, finish
from pitboss.engine.meter import Meter
from pitboss.engine.pool import Pool
from pitboss.engine.recovery import Mender, settle_sessions
from pitboss.engine.session import dispatch, run_session
from pitboss.engine.spending import Spending
from pitboss.engine.start import check_ready, earlier_run, start_from, started
from pitboss.errors import PitbossError, StartError, why_failed
from pitboss.git.repo import Repo
from pitboss.git.switch import Spot, Switch
from pitboss.landing.git_trouble import Watch, git_refusing
from pitboss.landing.guard import Guard
from pitboss.landing.landed import landed_sessions
from pitboss.landing.places import GitPlaces
from pitboss.landing.refs import run_branch
from pitboss.landing.resilient import ResilientPlaces
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.site import Site
from pitboss.store.backup import Backup
from pitboss.store.catalogue import read_state
from pitboss.store.end_marker import note_live
from pitboss.store.git_dir import git_folder
from pitboss.store.opening import anchor
from pitboss.store.paths import RunPaths, skip_path
from pitboss.store.rundir import RunDir

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pitboss.core.events import Observer
    from pitboss.core.recovery.facts import DeadRun
    from pitboss.core.recovery.repairs import Repair
    from pitboss.git.status import TreeStatus
    from pitboss.guardian import StopChannel
    from pitboss.plan import Plan
    from pitboss.store.restore import Lost


_CAPS_NOT_KEPT = "state.json does not say what budgets the run had: those of configuration and rotation count"


def new_run_id(now: datetime) -> str:
    """`YYYYMMDDTHHMMSSZ-xxxx`, 4 random hex digits (SPEC 2)."""
    return f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


def utc_now() -> datetime:
    """The clock of a live run."""
    return datetime.now(UTC)


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


class Run:
    """One run on one repository, under a lock that the caller holds: start, resume or repair it."""

    def __init__(self, plan: Plan, repo: Repo, run_id: str, channel: StopChannel, emit: Observer) -> None:
        os.environ[RUN_ID] = run_id
        self._plan = plan
        room = Room.of(plan.prompts, max_parallel=plan.max_parallel, mode=plan.config.grind.mode)
        self._chooser = RotationChooser.of(plan.rotation, plan.prompts, room)
        self._aborting = Event()
        self._repo = repo.authored_by(plan.config.author).on_leash(self._abort)
        self._run_id = run_id
        self._channel = channel
        self._emit = emit
        self._guard = Guard(self._repo, RunPaths(repo.root, run_id).root)
        self._backup = Backup(repo.root)
        for folder in filter(None, (repo.root, git_folder(repo.root))):
            anchor(folder)

    def _abort(self) -> StopRequest | None:
        return StopRequest.ABORT if self._aborting.is_set() else None

    def check_ready(self) -> TreeStatus:
        """Refuse what `start` would refuse of git and the tree; raises StartError, changes nothing (SPEC 5)."""
        return check_ready(self._branch(run_branch(self._run_id)), self._repo.root)

    def start(self) -> int:
        """Start the run and grind to its end; returns the exit code (SPEC 5)."""
        with git_refusing("start the run"):
            here = Spot.now(self.check_ready())
            start = start_from(self._repo, here, self._plan.start_from, in_place=self._in_place)
        name = run_branch(self._run_id)
        branch = self._branch(name)
        state = build_state(
            run_id=self._run_id,
            branch=name,
            plan_name=self._plan.rotation.name,
            prompt_names=self._plan.rotation.prompt_names,
            now=utc_now(),
            base_commit=start.commit,
            original_branch=start.branch or here.branch,
            return_to=here.name if self._in_place else None,
            caps=self._plan.caps,
            selection=self._plan.selection,
        )
        if earlier := earlier_run(self._repo, start):
            self._emit(Warned(text=earlier))
        with git_refusing("start the run"):
            branch.create(start.commit)
        try:
            rundir = RunDir.create(self._repo.root, state, self._backup)
        except PitbossError:
            branch.undo(start.commit)
            raise
        with rundir:
            self._guard.begin()
            context = self._context(branch, Journal(rundir, state, self._chooser, utc_now))
            self._emit(started(context))
            return self._grind(context, Past())

    def resume(self) -> int:
        """Recover the run, whether it stopped or died, and go on with it; returns the exit code (SPEC 7)."""
        with RunDir.open(self._repo.root, self._run_id, self._backup) as rundir:
            with git_refusing("resume the run"):
                context, past = self._recovered(rundir)
            return self._grind(context, past)

    def _recovered(self, rundir: RunDir) -> tuple[RunContext, Past]:
        rotation, state = self._plan.rotation, read_state(rundir.paths)
        validate_resume(
            state,
            rotation.name,
            rotation.prompt_names,
            allow_prompt_changes=self._plan.allow_prompt_changes,
        )
        self._put_settings_back(rundir)
        dead, facts, repairs = examine(
            rundir, self._repo, goes_on_here=self._in_place, judge=self._refuse_used_up
        )
        in_flight = dead.state.in_flight if dead.state else ()
        here = Spot.now(self._repo.status()) if facts.somebody_elsewhere else None
        self._emit(Repaired(text=f"resuming {self._run_id} after session {dead.scan.last_seq}"))
        context = self._mended(rundir, dead, repairs)
        self._emit(started(context, resumed=True))
        with context.control.listening():
            settled = settle_sessions(context, self._repo, repairs)
        if self._in_place and any(session.assignment.worktree for session in in_flight):
            # Their landing may have been what made the tree dirty; now it must not be.
            self._branch(dead.branch).refuse_unclean(self._repo.status())
        if state.caps is None:
            self._emit(Warned(text=_CAPS_NOT_KEPT))
        return_to = here.name if here else context.journal.state.return_to
        context.journal.accepted(
            rotation.prompt_names,
            self._plan.caps,
            self._plan.selection,
            return_to if self._in_place else None,
        )
        if here:
            self._emit(Repaired(text=f"{here} is checked out: going over to {dead.branch}"))
        past = Past(
            any_failed=dead.scan.any_failed,
            unjudged=(*dead.scan.tail, *settled),
            paused=dead.state is not None and dead.state.status is RunStatus.ABORTED,
        )
        return context, past

    def _refuse_used_up(self, dead: DeadRun) -> None:
        """Refuse to go on at a cap: raises CapReached, before anything is changed."""
        if dead.state is not None:
            used = reduce(spend, dead.scan.tail, dead.state.budget_consumed)
            refuse_used_up(dead.state, self._plan.caps, used, utc_now())

    def repair(self, *, force: bool) -> int:
        """Do what a resume does before it starts, whatever the run's status; returns 0.

        A run that had failed can be resumed afterwards.
        """
        opened = RunDir.open(self._repo.root, self._run_id, self._backup)
        with opened as rundir, git_refusing("repair the run"):
            self._put_settings_back(rundir)
            dead, _, repairs = examine(rundir, self._repo, force=force)
            context = self._mended(rundir, dead, repairs)
            with context.control.listening():
                settle_sessions(context, self._repo, repairs)
            note_live(rundir.paths)
            was = dead.state
            completed = was is not None and was.status is RunStatus.COMPLETED
            context.journal.finished(
                RunStatus.COMPLETED if completed else RunStatus.ABORTED,
                (was and was.stop_reason) or "repaired",
            )
            if not repairs:
                self._emit(Repaired(text="nothing to repair"))
        return 0

    def _put_settings_back(self, rundir: RunDir) -> None:
        """Undo what a session that was cut short did to git's config and hooks, before git is asked anything."""
        for text in self._guard.resume(cut_short_before(rundir)):
            self._emit(Warned(text=text))

    def _mended(self, rundir: RunDir, dead: DeadRun, repairs: tuple[Repair, ...]) -> RunContext:
        """The run with its files whole again; its sessions are settled afterwards."""
        branch = self._branch(dead.branch)
        switch = Switch(self._repo, rundir.paths.switch)
        journal = Mender(rundir, dead, branch, switch, self._chooser).mend(
            repairs, self._blank_state(dead), utc_now
        )
        return self._context(branch, journal)

    def _blank_state(self, dead: DeadRun) -> RunState:
        """What can be known of a run whose state.json is lost: its id, its branch, where its work began."""
        tip = self._repo.commit_id(f"refs/heads/{dead.branch}")
        landed = landed_sessions(self._repo, dead.run_id, tip, None) if dead.state is None else {}
        return build_state(
            run_id=dead.run_id,
            branch=dead.branch,
            plan_name=self._plan.rotation.name,
            prompt_names=self._plan.rotation.prompt_names,
            now=_started_at(dead.run_id) or utc_now(),
            base_commit=landed[min(landed)].parent if landed else tip,
        )

    def _branch(self, name: str) -> RunBranch:
        return RunBranch(self._repo, name, checked_out=self._in_place)

    @property
    def _in_place(self) -> bool:
        return self._plan.config.grind.mode == "in-place"

    def _context(self, branch: RunBranch, journal: Journal) -> RunContext:
        def raised(level: StopLevel, by: StopBy) -> None:
            if level is StopLevel.DRAIN:
                self._emit(Draining(by=by, in_flight=tuple(s.seq for s in journal.state.in_flight)))
            else:
                self._aborting.set()
                self._emit(Aborting(by=by))

        plan = self._plan
        paths = journal.rundir.paths
        control = Control(self._channel, paths, skip_path(self._repo.root), raised)
        return RunContext(
            config=plan.config,
            prompts=plan.prompts,
            chooser=self._chooser,
            contenders=contenders(plan.rotation, plan.prompts),
            hooks=plan.hooks,
            caps=plan.caps,
            max_parallel=plan.max_parallel,
            agent=lambda name: build_agent(name, plan.config),
            places=self._places(branch, journal, control.abort_session),
            journal=journal,
            control=control,
            gate=Gate(plan.config.limits.pause_at, journal.state.quota),
            meter=Meter(plan.caps),
            secrets=Secrets.of(os.environ),
            emit=self._emit,
            clock=utc_now,
            environ=dict(os.environ),
            repo_root=self._repo.root,
            host=os.uname().nodename,
        )

    def _places(self, branch: RunBranch, journal: Journal, hurried: Callable[[], object]) -> ResilientPlaces:
        grind = self._plan.config.grind
        site = Site(
            repo=self._repo,
            branch=branch,
            paths=journal.rundir.paths,
            worktree=grind.worktree,
            ignored_limit=grind.rescue_ignored_mb * 1024 * 1024,
        )
        places = GitPlaces(site)
        return ResilientPlaces(places, Watch(places, self._guard, self._emit, hurried), journal)

    def _grind(self, context: RunContext, past: Past) -> int:
        note_live(context.paths)
        self._backup.keep()
        self._open(context)
        try:
            with context.control.listening():
                brakes = self._brakes(context, past)
                pool = Pool(partial(dispatch, context), partial(run_session, context))
                loop = Loop(self._chooser, brakes, pool, context.journal, context.control, context.gate)
                ending = loop.run(tidy=self._repo.tidy)
                self._close(context)
                for text in self._backup.put_back():
                    self._emit(Warned(text=text))
                checkout = self._go_back(context)
                context.tell_notices()
                failed = brakes.any_failed
                return finish(ending, context.journal, self._emit, any_failed=failed, checkout=checkout)
        except Exception as error:
            self._give_up(context, error)
            raise

    def _brakes(self, context: RunContext, past: Past) -> Brakes:
        hard = context.config.hard_budgets
        spending = Spending(context.caps, context.meter, context.journal, utc_now, hard=hard)
        return Brakes(context.control, spending, context.journal, context.config, past, self._emit)

    def _open(self, context: RunContext) -> None:
        """Make ready where sessions will work. A refusal leaves a run that can be resumed once the way is free."""
        try:
            context.places.open()
        except PitbossError as error:
            status = RunStatus.ABORTED if isinstance(error, StartError) else RunStatus.FAILED
            with suppress(PitbossError):
                context.journal.finished(status, f"could not go on: {error.message}")
            raise

    def _close(self, context: RunContext) -> None:
        """What cannot be put in order is told, but no reason to call a night's work failed."""
        try:
            context.places.close()
        except PitbossError as error:
            self._emit(Warned(text="; ".join(filter(None, (error.message, error.hint)))))

    def _go_back(self, context: RunContext) -> str | None:
        """Check out what was before the run; returns what is checked out now, None where the run never touched that."""
        name = context.journal.state.return_to
        if name is None or not self._in_place or self._plan.config.grind.stay:
            return None
        try:
            return str(context.places.restore_checkout(name))
        except PitbossError as error:
            text = f"the checkout stays on {context.journal.state.branch}: {error.message}"
            self._emit(Warned(text=text))
            return None

    def _give_up(self, context: RunContext, error: Exception) -> None:
        """After an internal error: say `failed` if that can still be written; what is in flight stays as it is."""
        if isinstance(error, PitbossError) and error.hint is not None:
            error.hint = error.hint.replace("RUN_ID", self._run_id)
        with suppress(PitbossError):
            context.journal.finished(RunStatus.FAILED, why_failed(error))
        context.tell_notices()


def _started_at(run_id: str) -> datetime | None:
    try:
        return datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
