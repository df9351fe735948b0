"""`grind --dry-run`: gathers what a new or resumed run would start from; changes nothing (SPEC 8)."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.chooser import upcoming
from pitboss.core.choosers.for_run import chooser_for
from pitboss.core.left_out import limited
from pitboss.core.recovery.refusals import refuse_used_up, validate_resume
from pitboss.core.recovery.replay import replay_records
from pitboss.core.run import build_state, counted
from pitboss.core.text import PREVIEWED, DryRun, dry_run_report
from pitboss.errors import CapReached
from pitboss.git.errors import NotARepository
from pitboss.git.repo import Repo
from pitboss.git.whereabouts import has_unusable
from pitboss.landing.readiness import refuse_unborn
from pitboss.resolve import resolve_mission
from pitboss.store.catalogue import resolve_target
from pitboss.store.disorder import left_by, left_in_tree
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import lock_holder
from pitboss.store.log import iter_records, scan_log
from pitboss.store.paths import RunPaths
from pitboss.store.queue import with_queue

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.chooser import Choice, Chooser
    from pitboss.core.mission import Mission
    from pitboss.core.run import RunState
    from pitboss.git.status import TreeStatus
    from pitboss.resolve import Options

_UNCLEAN = "the working tree is not clean"


class Report(NamedTuple):
    """What goes to stdout, and the warnings that the run would give."""

    text: str
    warnings: tuple[str, ...]


def report(here: Path, options: Options, resume: str | None) -> Report:
    """The whole report; `resume` is a RUN_ID, empty for the most recent run, None for a new one.

    Also works outside a git repository. Raises the errors that a real run would raise for its inputs, and for a
    repository that no run could use: one that is bare, broken or empty.
    """
    repo = _repository(here)
    status = repo.status() if repo else None
    if status is not None:
        refuse_unborn(status)
    root = repo.root if repo else here
    run = None if resume is None else resolve_target(root, resume or None).state
    mission = resolve_mission(root, options, run=run)
    chooser = chooser_for(
        mission.rotation, mission.prompts, mission.config.grind, max_parallel=mission.max_parallel
    )
    if run is not None:
        run = limited(_replayed(root, mission, run, chooser), mission.rotation, mission.prompts)
    text = dry_run_report(
        DryRun(
            root=str(root),
            branch=status.branch if status else None,
            agent=mission.config.backend,
            mode=mission.config.grind.mode,
            max_parallel=mission.max_parallel,
            prompts=mission.prompts,
            rotation=mission.rotation,
            caps=mission.caps,
            hooks=mission.hooks,
            run=run,
            first=_first(root, chooser, mission, run),
            problem=_problem(root, status, mission, run) or _used_up(mission, run),
        )
    )
    return Report(text, mission.warnings)


def _repository(here: Path) -> Repo | None:
    try:
        return Repo.discover(here)
    except NotARepository:
        if has_unusable(here):
            raise
        return None


def _replayed(root: Path, mission: Mission, run: RunState, chooser: Chooser) -> RunState:
    """The state a resumed run would begin with: the checkpoint and every record after it."""
    validate_resume(
        run,
        mission.rotation.name,
        mission.rotation.prompt_names,
        allow_prompt_changes=mission.allow_prompt_changes,
    )
    scan = scan_log(RunPaths(root, run.run_id).log, run.run_id, after_seq=run.last_session_seq)
    due = [record for record in scan.tail if record.seq <= scan.last_seq]
    run = counted(run, iter_records(RunPaths(root, run.run_id).log))
    return replay_records(run, due, chooser, log_seq=scan.highest_seq)


def _first(root: Path, chooser: Chooser, mission: Mission, run: RunState | None) -> tuple[Choice, ...]:
    """The sessions that the run would start with, ignoring budgets."""
    state = run or build_state(
        run_id="",
        branch="",
        plan_name=mission.rotation.name,
        prompt_names=mission.rotation.prompt_names,
        now=datetime.now(UTC),
        selection=mission.selection,
    )
    return tuple(islice(upcoming(chooser, with_queue(root, state)), PREVIEWED))


def _used_up(mission: Mission, run: RunState | None) -> str | None:
    try:
        if run is not None:
            refuse_used_up(run, mission.caps, run.budget_consumed, datetime.now(UTC))
    except CapReached as refusal:
        return refusal.message
    return None


def _problem(root: Path, status: TreeStatus | None, mission: Mission, run: RunState | None) -> str | None:
    """Why a real run would refuse to start here, if so; without a `status` there is no repository."""
    if status is None:
        return "this is not a git repository"
    if holder := lock_holder(*lock_paths(root)):
        return f"run {holder.run_id or '(unknown)'} is live in this working tree"
    if not (status.dirty and mission.in_place):
        return None
    if run is None:
        left = left_in_tree(root)
        return f"{_UNCLEAN}; {left}" if left else _UNCLEAN
    settled = status.branch == run.branch and left_by(root, run.run_id)
    return None if settled else _UNCLEAN
