"""`pitboss grind`: start or resume a run, or show what it would do (SPEC 5, 8)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pitboss.cli.shared import completing
from pitboss.cli.shared.capping import cap_changes, cap_options
from pitboss.cli.shared.declare import argument, command, option
from pitboss.cli.shared.given import cluster, folder, one_of, path, whole
from pitboss.core.budget import Caps
from pitboss.core.config import SandboxMode
from pitboss.core.fields import MAX_COUNT

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pitboss.cli.shared.background import Background
    from pitboss.core.events import Outlet
    from pitboss.core.mission import Mission
    from pitboss.core.prompt import PromptDoc
    from pitboss.git.repo import Repo
    from pitboss.guardian import StopChannel
    from pitboss.resolve import Options


LATEST = ""
"""What `--resume` without a value means: the most recent resumable run."""


@command()
@argument("names", nargs=-1, metavar="[NAME]...", required=False, shell_complete=completing.prompts)
@option(
    "-p", "--prompt", "text", metavar="TEXT", help="Work on this text only, once or --max-iterations times."
)
@option("--prompt-file", type=path, metavar="FILE", help="The same with the text, or prompt file, in FILE.")
@option(
    "--rotation",
    metavar="NAME",
    shell_complete=completing.rotations,
    help="The rotation to run; default: all discovered prompts.",
)
@option("--prompts-dir", type=folder, help="Take prompts from this folder only.")
@option(
    "--tag",
    "tags",
    multiple=True,
    metavar="TAG",
    shell_complete=completing.tags,
    help="Only prompts with this tag; repeatable.",
)
@option(
    "--agent",
    metavar="BACKEND",
    shell_complete=completing.agents,
    help="The agent for prompts that do not name one.",
)
@option("--max-parallel", type=whole(1, MAX_COUNT), metavar="N", help="Sessions side by side.")
@option(
    "--workers",
    type=cluster,
    metavar="ADDRESS",
    help="Run sessions there: local:N, or a dask scheduler; none: here.",
)
@option("--sandbox", type=one_of(*SandboxMode), metavar="MODE", help="The sandbox: off, bwrap or command.")
@cap_options
@option(
    "--from",
    "start_from",
    metavar="REV",
    shell_complete=completing.branches,
    help="Start from this branch or commit; default: what is checked out.",
)
@option(
    "--resume",
    is_flag=False,
    flag_value=LATEST,
    metavar="[RUN_ID]",
    shell_complete=completing.run_ids,
    help="Resume a run; default: the last that can be resumed.",
)
@option("--allow-prompt-changes", is_flag=True, help="Resume although prompts were added or removed.")
@option("--detach", is_flag=True, help="Return once the run is live; it goes on without this terminal.")
@option("--tui", is_flag=True, help="The same, and then watch it: quitting that does not touch the run.")
@option("--pr", is_flag=True, help="When the run has ended, push its branch and open a pull request.")
@option("--require-pr", is_flag=True, help="The same; exit with 6 if there is none in the end.")
@option("--dry-run", is_flag=True, help="Print what would run and change nothing.")
@option("--json", "as_json", is_flag=True, help="Print one JSON line per session, then one for the run.")
def grind(*, resume: str | None, dry_run: bool, as_json: bool, **chosen: Any) -> int:
    """Run agents over your prompts, session by session, until told to stop.

    With NAMEs it runs these prompts only, else all of the rotation. With -p or --prompt-file it works on that one task.

    Each session's work is committed to the run's own branch, or rescued under a ref. Prompts that are
    parallel_safe run side by side, up to --max-parallel. The first Ctrl-C lets the sessions in flight finish;
    the second stops them.

    A run keeps its budgets and its sandbox: --resume uses them unless you give others; `none` lifts a budget.
    """
    detach, tui = chosen.pop("detach"), chosen.pop("tui")
    wish = _PullRequest(wanted=chosen.pop("pr"), required=chosen.pop("require_pr"))
    if (
        detach
        or tui
        or any(chosen[name] is not None for name in ("text", "prompt_file"))
        or resume is not None
        or (dry_run and as_json)
    ):
        from pitboss.cli.shared.combining import refuse_contradictions

        refuse_contradictions(
            resume=resume, detach=detach, tui=tui, dry_run=dry_run, as_json=as_json, **chosen
        )
    if detach or tui:
        return _detached(resume, chosen, wish, tui=tui, as_json=as_json)
    options = _options(**chosen)
    if dry_run:
        _print_dry_run(options, resume)
        return 0
    return _grind(options, resume, wish, as_json=as_json)


def _detached(
    resume: str | None, chosen: Mapping[str, Any], wish: _PullRequest, *, tui: bool, as_json: bool
) -> int:
    """Return once the run is live; in the background, where this is called again, do what `grind` does."""
    from pitboss.cli.shared.background import Background

    background = Background.inherited()
    if background is not None:
        return background.run(lambda: _grind(_options(**chosen), resume, wish, background=background))
    from pitboss.cli.shared.detaching import start, tell, watch

    if tui:
        from pitboss.cli.shared.extras import need_screens, need_terminal

        need_screens("grind --tui")
        need_terminal("grind --tui", "`pitboss grind --detach` starts the run without one")
    started = start()
    if started.exit_code is not None:
        return started.exit_code
    tell(started, as_json=as_json)
    if tui:
        watch(started)
    return 0


class _PullRequest(NamedTuple):
    """Whether there is to be a pull request when the run has ended, and whether it fails without."""

    wanted: bool
    required: bool

    def see_to(self, repo: Repo, run_id: str, code: int, **shown: Any) -> int:
        """The run has ended with `code`; returns what `grind` exits with."""
        if not (self.wanted or self.required):
            return code
        from pitboss.cli.shared.pull_request import at_the_end

        return at_the_end(repo, run_id, code, required=self.required, **shown)


def _grind(
    options: Options,
    resume: str | None,
    wish: _PullRequest,
    *,
    as_json: bool = False,
    background: Background | None = None,
) -> int:
    shown: dict[str, Any] = {"as_json": as_json, "background": background}
    if resume is None:
        return wish.see_to(*_start(options, **shown), **shown)
    return wish.see_to(*_resume(options, resume, **shown), **shown)


def _options(*, text: str | None, prompt_file: Path | None, **chosen: Any) -> Options:
    """The options, with what they change about the caps in one value. Raises InputError for a bad task."""
    from pitboss.resolve import Options

    asked = {cap: chosen.pop(cap) for cap in Caps.__struct_fields__}
    return Options(**chosen, caps=cap_changes(asked), task=_task(text, prompt_file))


def _task(text: str | None, prompt_file: Path | None) -> PromptDoc | None:
    if text is not None:
        from pitboss.core.task import plain_task

        return plain_task(text, "-p")
    if prompt_file is not None:
        from pitboss.store.task import given_task

        return given_task(prompt_file)
    return None


def _start(options: Options, **shown: Any) -> tuple[Repo, str, int]:
    """Start a run; returns its repository, its id and its exit code."""
    from pitboss.git.errors import NotARepository
    from pitboss.git.repo import Repo

    here = Path.cwd()
    found = Repo.begin_discover(here)
    # Git answers while this is loaded.
    from pitboss import app
    from pitboss.cli.shared.guarded import run_guarded
    from pitboss.cli.shared.notified import notified
    from pitboss.resolve import resolve_mission
    from pitboss.store.backup import restore_lost
    from pitboss.trust import used

    try:
        repo = found()
    except NotARepository:
        resolve_mission(here, options)
        raise
    restored = restore_lost(repo.root)
    mission = resolve_mission(repo.root, options)
    used(repo, mission.config, os.environ)
    app.require_workers(mission)
    app.require_sandbox(mission.config)
    run_id = app.new_run_id(app.utc_now())
    notices = notified(repo.root, run_id, mission.config)

    def body(channel: StopChannel, outlets: Callable[[], Sequence[Outlet[Any]]]) -> int:
        known = (*restored, *mission.warnings, *notices.warnings)
        with app.observed(lambda: (*outlets(), *notices.outlets()), known) as emit:
            notices.warn_by(emit)
            run = app.build_run(mission, repo, run_id, channel, emit)
            if mission.config.probe:
                run.check_ready()
                _probe(mission, repo.root, run_id, channel)
            return run.start()

    return repo, run_id, run_guarded(repo, run_id, body=body, **shown)


def _probe(mission: Mission, root: Path, run_id: str, channel: StopChannel) -> None:
    """Try the mission's agents if sessions start them here; any request to stop ends the trials (SPEC 5)."""
    from pitboss.agents.installation import rooted
    from pitboss.core.cluster import is_elsewhere
    from pitboss.core.stops import StopRequest
    from pitboss.preflight import PROBE_THERE, Terms, require_working
    from pitboss.screens.output import note

    if is_elsewhere(mission.workers_address):
        note(f"agents not tried: they are those of the workers at {mission.workers_address}; {PROBE_THERE}")
        return

    def stop() -> StopRequest | None:
        return StopRequest.ABORT if channel.level() else None

    config, most = rooted(mission.config, root), mission.caps.max_cost_usd
    terms = Terms(config=config, root=root, run_id=run_id, stop=stop, max_cost_usd=most)
    require_working(mission.workers, terms, tell=note)


def _resume(options: Options, requested: str, **shown: Any) -> tuple[Repo, str, int]:
    """Resume a run; returns the same."""
    from pitboss.cli.shared.project import project_root
    from pitboss.cli.shared.repository import begin_to_find
    from pitboss.store.backup import restore_lost

    root = project_root()
    restored = restore_lost(root, requested or None)
    found = begin_to_find(root, requested or None, purpose="resuming a run")
    # Git answers while this is loaded.
    from pitboss import app
    from pitboss.cli.shared.guarded import run_guarded
    from pitboss.cli.shared.notified import notified
    from pitboss.resolve import resolve_mission
    from pitboss.store.catalogue import resolve_target
    from pitboss.trust import used

    repo, warnings = found()
    run = resolve_target(repo.root, requested or None)
    mission = resolve_mission(repo.root, options, run=run.state)
    used(repo, mission.config, os.environ)
    app.require_workers(mission)
    app.require_sandbox(mission.config)
    notices = notified(repo.root, run.run_id, mission.config)

    def body(channel: StopChannel, outlets: Callable[[], Sequence[Outlet[Any]]]) -> int:
        known = (*restored, *mission.warnings, *warnings, *notices.warnings)
        with app.observed(lambda: (*outlets(), *notices.outlets()), known) as emit:
            notices.warn_by(emit)
            return app.build_run(mission, repo, run.run_id, channel, emit).resume()

    return repo, run.run_id, run_guarded(repo, run.run_id, body=body, **shown)


def _print_dry_run(options: Options, resume: str | None) -> None:
    from pitboss.dry_run import report
    from pitboss.screens.output import note

    found = report(Path.cwd(), options, resume)
    for text in found.warnings:
        note(f"warning: {text}")
    sys.stdout.write(found.text)
