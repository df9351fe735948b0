"""One run on one repository, started, or resumed from what a dead runner left (SPEC 5, 7)."""

from __future__ import annotations

import shlex
from contextlib import suppress
from functools import reduce
from typing import TYPE_CHECKING, Protocol

from pitboss.core.recovery.refusals import refuse_used_up, validate_resume
from pitboss.core.run import build_state, spend
from pitboss.core.stops import RunStatus
from pitboss.engine.examining import examine
from pitboss.errors import PitbossError
from pitboss.git.switch import HeadPosition
from pitboss.landing.git_trouble import git_refusing
from pitboss.landing.put_back import cut_short_before
from pitboss.landing.refs import run_branch
from pitboss.store.catalogue import read_state
from pitboss.store.end_marker import note_live
from pitboss.store.rundir import RunDir

if TYPE_CHECKING:
    from pitboss.core.chooser import Chooser
    from pitboss.core.events import Observer
    from pitboss.core.mission import Mission
    from pitboss.core.recovery.facts import DeadRun
    from pitboss.core.recovery.repairs import Repair
    from pitboss.core.run import RunState
    from pitboss.engine.brakes import Past
    from pitboss.engine.clock import Clock
    from pitboss.engine.journal import Journal
    from pitboss.engine.mending import Mender
    from pitboss.engine.parts import Parts
    from pitboss.engine.ports import Hosts
    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus
    from pitboss.landing.guard import Guard
    from pitboss.landing.run_branch import RunBranch
    from pitboss.store.backup import Backup

_CAPS_NOT_KEPT = "state.json does not record the run's budgets: those of configuration and rotation apply"


class Builder(Protocol):
    """Builds the parts of a run."""

    @property
    def run_id(self) -> str:
        """The run's own id."""
        ...

    @property
    def clock(self) -> Clock:
        """The clock of the run."""
        ...

    @property
    def hosts(self) -> Hosts:
        """Where the run's sessions have their trees and processes."""
        ...

    @property
    def chooser(self) -> Chooser:
        """Who decides what runs next."""
        ...

    def load_branch(self) -> None:
        """Load what `branch` needs, while the caller waits for something else."""
        ...

    def load_parts(self) -> None:
        """The same for `journal` and `parts`."""
        ...

    def branch(self, name: str) -> RunBranch:
        """The run branch of that name."""
        ...

    def journal(self, rundir: RunDir, state: RunState) -> Journal:
        """The memory of a run, starting from `state`."""
        ...

    def mender(self, rundir: RunDir, dead: DeadRun, branch: RunBranch) -> Mender:
        """The mender of a dead run's files."""
        ...

    def parts(self, branch: RunBranch, journal: Journal) -> Parts:
        """The parts of the live run."""
        ...


class Run:
    """One run, under a lock that the caller holds: start, resume or repair it."""

    def __init__(
        self,
        mission: Mission,
        repo: Repo,
        builder: Builder,
        guard: Guard,
        backup: Backup,
        emit: Observer,
    ) -> None:
        self._mission = mission
        self._repo = repo
        self._builder = builder
        self._guard = guard
        self._backup = backup
        self._emit = emit

    def check_ready(self) -> TreeStatus:
        """Make the checks of git and the tree that `start` makes; raises StartError, changes nothing (SPEC 5)."""
        from pitboss.landing.readiness import begin_check

        self._refuse_linked_folder()
        checked = begin_check(self._repo, in_place=self._mission.in_place)
        self._builder.load_branch()  # git answers meanwhile
        from pitboss.engine.start import look_ready

        return look_ready(checked, self._repo.root)

    def start(self) -> int:
        """Start the run and grind to its end; returns the exit code (SPEC 5)."""
        from pitboss.engine.brakes import Past
        from pitboss.engine.start import earlier_run, start_from

        mission = self._mission
        with git_refusing("start the run"):
            here = HeadPosition.now(self.check_ready())
            start = start_from(self._repo, here, mission.start_from, in_place=mission.in_place)
        if earlier := earlier_run(self._repo, start):
            self._warn(earlier)
        branch, state = self._builder.branch(run_branch(self._builder.run_id)), self._fresh(here, start)
        with self._created(branch, state, start.commit) as rundir:
            self._guard.begin()
            parts = self._builder.parts(branch, self._builder.journal(rundir, state))
            self._emit(parts.started())
            return parts.grind(Past())

    def resume(self) -> int:
        """Recover the run, whether it stopped or died, and go on with it; returns the exit code (SPEC 7)."""
        with RunDir.open(self._repo.root, self._builder.run_id, self._backup) as rundir:
            with git_refusing("resume the run"):
                parts, past = self._recovered(rundir)
            return parts.grind(past)

    def repair(self, *, force: bool, restored: bool = False) -> int:
        """Do what a resume does before its first session, whatever the run's status; returns 0.

        A failed run can be resumed afterwards. `restored`: files of it already were, and that has been told.
        """
        opened = RunDir.open(self._repo.root, self._builder.run_id, self._backup)
        with opened as rundir, git_refusing("repair the run"):
            self._put_settings_back(rundir)
            dead, _, repairs = examine(rundir, self._repo, lambda: self._builder.hosts, force=force)
            parts = self._mended(rundir, dead, repairs)
            with parts.control.listening():
                parts.settling.settle(repairs)
            note_live(rundir.paths)
            was = dead.state
            completed = was is not None and was.status is RunStatus.COMPLETED
            parts.journal.finished(
                RunStatus.COMPLETED if completed else RunStatus.ABORTED,
                (was and was.stop_reason) or "repaired",
            )
            if not repairs:
                self._say("nothing else to repair" if restored else "nothing to repair")
            self._say_how_to_go_back(parts.journal.state)
        return 0

    def _say_how_to_go_back(self, state: RunState) -> None:
        """A repair leaves the run branch checked out, for a resume; the user may want something else."""
        back = state.return_to and HeadPosition.named(self._repo, state.return_to)
        if back and back.branch != state.branch and self._repo.on_branch() == f"refs/heads/{state.branch}":
            to = "--detach " + back.commit if back.branch is None else shlex.quote(back.branch)
            self._say(
                f"{state.branch} is checked out; `git switch {to}` goes back to what was before the run"
            )

    def _fresh(self, here: HeadPosition, start: HeadPosition) -> RunState:
        mission = self._mission
        fresh = build_state(
            run_id=self._builder.run_id,
            branch=run_branch(self._builder.run_id),
            plan_name=mission.rotation.name,
            prompt_names=mission.rotation.prompt_names,
            now=self._builder.clock.now(),
            base_commit=start.commit,
            original_branch=start.branch or here.branch,
            return_to=here.name if mission.in_place else None,
            caps=mission.caps,
            selection=mission.selection,
        )
        from pitboss.core.left_out import limited

        return limited(fresh, mission.rotation, mission.prompts)

    def _created(self, branch: RunBranch, state: RunState, commit: str) -> RunDir:
        """Create the run branch and the run directory, or neither."""
        with git_refusing("start the run"):
            created = branch.begin_create(commit)
            try:
                self._builder.load_parts()  # git creates the branch meanwhile
            finally:
                created()
        try:
            from pitboss.core.task import task_text

            task = self._mission.task
            kept = None if task is None else task_text(task).encode()
            return RunDir.create(self._repo.root, state, self._backup, kept)
        except PitbossError:
            branch.undo(commit)
            raise

    def _recovered(self, rundir: RunDir) -> tuple[Parts, Past]:
        mission, state = self._mission, read_state(rundir.paths)
        validate_resume(
            state,
            mission.rotation.name,
            mission.rotation.prompt_names,
            allow_prompt_changes=mission.allow_prompt_changes,
        )
        self._put_settings_back(rundir)
        self._refuse_linked_folder()
        dead, facts, repairs = examine(
            rundir,
            self._repo,
            lambda: self._builder.hosts,
            goes_on_here=mission.in_place,
            judge=self._refuse_used_up,
        )
        here = HeadPosition.now(self._repo.status()) if facts.somebody_elsewhere else None
        self._say(f"resuming {self._builder.run_id} after session {dead.scan.last_seq}")
        parts = self._mended(rundir, dead, repairs)
        from pitboss.core.left_out import limits

        parts.journal.limited(limits(mission.rotation.prompt_names, mission.prompts))
        self._emit(parts.started(resumed=True))
        with parts.control.listening():
            settled = parts.settling.settle(repairs)
        self._refuse_unclean(dead)
        if state.caps is None:
            self._warn(_CAPS_NOT_KEPT)
        self._accept(parts.journal, here)
        if here:
            self._say(f"{here} is checked out: going over to {dead.branch}")
        from pitboss.engine.brakes import Past, warned_caps

        return parts, Past(
            any_failed=dead.scan.any_failed,
            unjudged=(*dead.scan.tail, *settled),
            was_stopped=dead.state is not None and dead.state.status is RunStatus.ABORTED,
            warned=warned_caps(state, mission.caps),
        )

    def _refuse_linked_folder(self) -> None:
        if self._mission.needs_copies:
            from pitboss.landing.readiness import refuse_linked_folder

            refuse_linked_folder(self._repo)

    def _refuse_unclean(self, dead: DeadRun) -> None:
        """Refuse a tree still dirty after sessions in slots, whose landing may have made it so, have settled."""
        in_flight = dead.state.in_flight if dead.state else ()
        if self._mission.in_place and any(session.assignment.worktree for session in in_flight):
            from pitboss.landing.readiness import refuse_unclean

            refuse_unclean(self._repo, self._repo.status())

    def _accept(self, journal: Journal, here: HeadPosition | None) -> None:
        mission = self._mission
        return_to = here.name if here else journal.state.return_to
        journal.accepted(
            mission.rotation.prompt_names,
            mission.caps,
            mission.selection,
            return_to if mission.in_place else None,
        )
        from pitboss.store.kept_prompts import drop_kept

        with suppress(OSError):
            drop_kept(journal.rundir.paths, mission.prompts)

    def _refuse_used_up(self, dead: DeadRun) -> None:
        """Refuse to go on at a cap: raises CapReached before anything changes."""
        if dead.state is not None:
            used = reduce(spend, dead.scan.tail, dead.state.budget_consumed)
            now = self._builder.clock.now()
            refuse_used_up(
                dead.state, self._mission.caps, used, now, nothing_left=lambda: self._nothing_left(dead)
            )

    def _nothing_left(self, dead: DeadRun) -> bool:
        """Whether the run would find nothing to do even with other caps."""
        mission = self._mission
        if dead.state is None or mission.is_endless:
            return False
        from pitboss.core.chooser import upcoming
        from pitboss.core.left_out import limited
        from pitboss.store.queue import with_queue

        chooser = self._builder.chooser
        try:
            run = reduce(chooser.advance, dead.scan.tail, dead.state)
        except ValueError:  # the resume that follows says what is wrong with its log
            return False
        run = limited(with_queue(self._repo.root, run), mission.rotation, mission.prompts)
        return next(upcoming(chooser, run), None) is None

    def _put_settings_back(self, rundir: RunDir) -> None:
        """Undo what a session that was cut short did to git's config and hooks, before any git command runs."""
        for text in self._guard.resume(cut_short_before(rundir)):
            self._warn(text)

    def _mended(self, rundir: RunDir, dead: DeadRun, repairs: tuple[Repair, ...]) -> Parts:
        """Make the run's files whole; its sessions are settled afterwards."""
        branch, now = self._builder.branch(dead.branch), self._builder.clock.now
        from pitboss.engine.mending import blank_state

        mission = self._mission
        blank = blank_state(dead, self._repo, mission.rotation, now())
        journal = self._builder.mender(rundir, dead, branch).mend(repairs, blank, now)
        return self._builder.parts(branch, journal)

    def _say(self, text: str) -> None:
        """Report a step of the recovery."""
        from pitboss.core.events import Repaired

        self._emit(Repaired(text=text))

    def _warn(self, text: str) -> None:
        from pitboss.core.events import Warned

        self._emit(Warned(text=text))
