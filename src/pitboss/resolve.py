"""Files and command-line options, resolved into the mission of a run (SPEC 2, 4, 5)."""

from __future__ import annotations

import os
import shlex
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.table import check_agent, may_cost
from pitboss.core import budget
from pitboss.core.budget import CapChanges, Caps
from pitboss.core.config import GrindSettings, SandboxMode
from pitboss.core.fields import MAX_COUNT
from pitboss.core.mission import Mission
from pitboss.core.prompt import PromptDoc
from pitboss.core.rotation import Rotation, contenders
from pitboss.core.selection import Selection
from pitboss.core.slash_commands import unexpanded
from pitboss.errors import ResumeError, StartError
from pitboss.store.config import load_config
from pitboss.store.kept_prompts import kept_prompts
from pitboss.store.library import load_inputs
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pitboss.core.config import Config
    from pitboss.core.run import RunState
    from pitboss.store.library import Inputs

_SET_A_BUDGET = (
    "`--max-cost USD`, `--max-iterations N` or `--until 8h` sets one, "
    "[grind.budgets] in .pitboss/config.toml sets one for all runs"
)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line of `grind` chooses and overrides.

    `task` is the one prompt of a new run that takes no others.
    """

    task: PromptDoc | None = None
    names: tuple[str, ...] = ()
    rotation: str | None = None
    prompts_dir: Path | None = None
    tags: tuple[str, ...] = ()
    agent: str | None = None
    max_parallel: int | None = None
    workers: str | None = None
    sandbox: str | None = None
    caps: CapChanges = CapChanges()
    allow_prompt_changes: bool = False
    start_from: str | None = None

    def selection(self, root: Path) -> Selection:
        """What these options select, as state.json keeps it for the repository at `root`."""
        return Selection(
            rotation=self.rotation,
            names=tuple(dict.fromkeys(self.names)),
            task_runs=self._task_runs(),
            tags=self.tags,
            prompts_dir=None if self.prompts_dir is None else _kept(self.prompts_dir, root),
            agent=self.agent,
            max_parallel=self.max_parallel,
            workers=self.workers,
            sandbox=None if self.sandbox is None else SandboxMode(self.sandbox),
        )

    def _task_runs(self) -> int | None:
        """How often the task runs; None without one."""
        if self.task is None:
            return None
        return self.caps.max_iterations if isinstance(self.caps.max_iterations, int) else 1


def resolve_mission(root: Path, options: Options, *, run: RunState | None = None) -> Mission:
    """Read config, prompts and rotation of the repository at `root` and apply `options`.

    A resumed `run` keeps its own rotation, selection and caps where the options say nothing. Raises InputError with
    every problem of the files, StartError for problems that only show in combination.
    """
    choice = _choice(root, options, run)
    inputs = _inputs(root, options, choice, run)
    chosen = inputs.rotation
    prompts = {name: inputs.library.prompts[name] for name in chosen.prompt_names}
    config, choice = _sandboxed(_with_agent(inputs.config, choice), choice)
    caps = run.caps if run and run.caps else budget.layer(config.grind.budgets, chosen.budgets)
    mission = Mission(
        config=config,
        rotation=chosen,
        prompts=prompts,
        hooks=chosen.hooks.over(config.grind.hooks),
        caps=_caps(caps, options, choice),
        max_parallel=choice.side_by_side(chosen, config.grind),
        selection=choice,
        allow_prompt_changes=options.allow_prompt_changes,
        start_from=options.start_from,
        warnings=(*config.warnings, *inputs.warnings, *_kept_sandbox(inputs.config, config, options)),
    )
    mission = _on_workers(mission)
    _refuse_empty(mission)
    _refuse_unknown_agents(mission)
    agents = () if run else _about_agents(mission)  # it was warned when it started
    warnings = (*mission.warnings, *_unexpanded(mission), *_unbounded(mission), *agents)
    return msgspec.structs.replace(mission, warnings=warnings)


def _with_agent(config: Config, choice: Selection) -> Config:
    return config if choice.agent is None else msgspec.structs.replace(config, backend=choice.agent)


def _sandboxed(config: Config, choice: Selection) -> tuple[Config, Selection]:
    """The configuration with the sandbox of the run, and the selection that makes a resume keep it (SPEC 13).

    A run that was begun without one, but not by choice, takes the one that the configuration has now. Raises StartError
    if it needs a wrapper that is not there.
    """
    chosen, settings = choice.sandbox, config.sandbox
    mode = settings.mode if chosen is None else chosen
    if mode is SandboxMode.COMMAND and not settings.command:
        raise StartError(
            "the sandbox is to be a wrapper, and [sandbox] command in .pitboss/config.toml names none",
            hint="`--sandbox bwrap` or `--sandbox off` chooses another",
        )
    config = msgspec.structs.replace(config, sandbox=msgspec.structs.replace(settings, mode=mode))
    kept = chosen if chosen is not None or not settings.is_fenced else mode
    return config, msgspec.structs.replace(choice, sandbox=kept)


def _kept_sandbox(configured: Config, config: Config, options: Options) -> tuple[str, ...]:
    """A warning if the run keeps a sandbox that is not the one of the configuration."""
    was, mode = configured.sandbox.mode, config.sandbox.mode
    if mode is was or options.sandbox is not None:
        return ()
    return (
        f"the sandbox is {mode}, as when the run began, and not {was}, as in config.toml; `--sandbox {was}` changes it",
    )


def _on_workers(mission: Mission) -> Mission:
    """The mission, if its sessions are to run on workers: each in a working copy, and as many as there are slots."""
    if mission.workers_address is None:
        return mission
    grind = msgspec.structs.replace(mission.config.grind, mode="worktree")
    limited = mission.max_parallel != GrindSettings().max_parallel or mission.selection.max_parallel
    return msgspec.structs.replace(
        mission,
        config=msgspec.structs.replace(mission.config, grind=grind),
        max_parallel=mission.max_parallel if limited else MAX_COUNT,
    )


def _choice(root: Path, options: Options, run: RunState | None) -> Selection:
    choice = options.selection(root).over(run.selection if run else None)
    runs = options.caps.max_iterations
    if choice.task_runs is None or not isinstance(runs, int):
        return choice
    return msgspec.structs.replace(choice, task_runs=runs)


def _inputs(root: Path, options: Options, choice: Selection, run: RunState | None) -> Inputs:
    runs = choice.task_runs
    if runs is not None and options.task is not None:
        from pitboss.store.task import task_inputs

        return task_inputs(root, options.task, runs)
    if runs is not None and run is not None:
        from pitboss.store.task import kept_inputs

        _refuse_other_work(options, run)
        return kept_inputs(root, run, runs)
    rotation = options.rotation or (run.plan_name if run else None)
    kept = None if run is None or options.names else kept_prompts(RunPaths(root, run.run_id))
    return load_inputs(root, home=Path.home(), choice=choice, rotation=rotation, kept=kept)


def _caps(layered: Caps, options: Options, choice: Selection) -> Caps:
    """The caps of the run; how often a task runs is no cap, as a run that has done so is complete."""
    caps = options.caps.over(layered)
    return caps if choice.task_runs is None else msgspec.structs.replace(caps, max_iterations=None)


def _refuse_other_work(options: Options, run: RunState) -> None:
    """Raise ResumeError if the command line chooses prompts, or no end, for a run that has a task of its own."""
    if any((options.rotation, options.names, options.tags, options.prompts_dir)):
        raise ResumeError(
            f"run {run.run_id} works on a task of its own, and on no other prompt",
            hint=f"`pitboss grind --resume {run.run_id}` continues it; `pitboss grind` begins another run",
        )
    if options.caps.max_iterations is None:
        raise ResumeError("a task has to end", hint="`--max-iterations N` says how often it runs in all")


def mission_to_repair(root: Path, options: Options, run: RunState | None) -> Mission:
    """What settling the sessions of `run` needs: as resolve_mission, or the configuration alone if that fails.

    A run whose state is lost cannot be rebuilt without its rotation, so then resolve_mission's errors are raised.
    """
    try:
        mission = resolve_mission(root, options, run=run)
        return msgspec.structs.replace(mission, warnings=mission.config.warnings)
    except StartError as error:
        if run is None:
            raise
        config = load_config(root)
        if run.selection is not None:
            with suppress(StartError):  # a wrapper that is gone: nothing is run in it now
                config, _ = _sandboxed(config, run.selection)
        return Mission(
            config=config,
            rotation=Rotation(name=run.plan_name, entries=()),
            prompts={},
            hooks=config.grind.hooks,
            caps=Caps(),
            max_parallel=1,
            warnings=(f"going on without prompts: {error.message}",),
        )


def _kept(folder: Path, root: Path) -> str:
    """`folder` relative to the repository's root if it is inside, so that both can move; else as it is."""
    whole = Path(os.path.abspath(folder))  # noqa: PTH100 - a link stays what the user named
    return str(whole.relative_to(root) if whole.is_relative_to(root) else whole)


def _refuse_empty(mission: Mission) -> None:
    if not mission.prompts:
        if folder := mission.selection.prompts_dir or mission.config.grind.prompts_dir:
            raise StartError(
                f"no prompts discovered in {folder}",
                hint=f"`pitboss prompts new NAME --dir {shlex.quote(folder)}` makes one there",
            )
        raise StartError(
            "no prompts discovered",
            hint="`pitboss prompts new NAME` makes one; `pitboss init` makes an example",
        )


def _refuse_unknown_agents(mission: Mission) -> None:
    """Look at every agent that may be needed, so that a wrong name is found now and not overnight."""
    for name in sorted({mission.config.backend, *mission.config.limits.fallback}):
        check_agent(name, mission.config)
    for doc in mission.prompts.values():
        try:
            if doc.meta.agent is not None:
                check_agent(doc.meta.agent, mission.config)
        except StartError as error:
            raise StartError(f"{doc.source_path}: {error.message}", hint=error.hint) from None


def _unexpanded(mission: Mission) -> list[str]:
    return [str(problem) for prompt in mission.prompts.values() if (problem := unexpanded(prompt))]


def _unbounded(mission: Mission) -> list[str]:
    """A warning when agents that cost money would work until stopped by hand."""
    if mission.caps != Caps():
        return []
    endless = {c.name for c in contenders(mission.rotation, mission.prompts) if c.max_runs is None}
    theirs = msgspec.structs.replace(
        mission, prompts={name: mission.prompts[name] for name in sorted(endless)}
    )
    paid = [name for name in theirs.agents if may_cost(name, mission.config)] if endless else []
    if not paid:
        return []
    who = " and ".join(paid)
    return [f"only you can end this run, and {who} may cost money: no budget is set; {_SET_A_BUDGET}"]


def _about_agents(mission: Mission) -> list[str]:
    """A warning for each agent that may bill an API key although it is logged in, and one for those without a fence."""
    from pitboss.agents.paid_keys import paid_keys
    from pitboss.agents.unfenced import unfenced

    keys = paid_keys(mission.agents, mission.config, os.environ)
    free = unfenced(mission.agents, mission.config, fenced=mission.config.sandbox.is_fenced)
    return [*(f"{each.finding}; {each.hint}" for each in keys), *([] if free is None else [free])]
