"""What a run would do: inputs and command-line options resolved into one value (SPEC 2, 4, 5)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.paid_keys import paid_keys
from pitboss.agents.table import build_agent, may_cost
from pitboss.core import budget, worker
from pitboss.core.budget import Caps
from pitboss.core.config import Config, HookSettings
from pitboss.core.prompt import PromptDoc
from pitboss.core.rotation import Rotation, contenders
from pitboss.core.selection import Selection
from pitboss.core.slash_commands import unexpanded
from pitboss.core.worker import SHELL, Worker
from pitboss.errors import StartError
from pitboss.store.config import load_config
from pitboss.store.library import load_inputs

if TYPE_CHECKING:
    from pitboss.core.run import RunState

_SET_A_BUDGET = (
    "`--max-cost USD`, `--max-iterations N` or `--until 8h` sets one, "
    "[grind.budgets] in .pitboss/config.toml one for all runs"
)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line of `grind` overrides; `lifted` names caps to remove, as fields of Caps."""

    rotation: str | None = None
    prompts_dir: Path | None = None
    tags: tuple[str, ...] = ()
    agent: str | None = None
    max_parallel: int | None = None
    caps: Caps = Caps()
    lifted: frozenset[str] = frozenset()
    allow_prompt_changes: bool = False
    start_from: str | None = None

    def selection(self, root: Path) -> Selection:
        """What these options select to run, as state.json keeps it for the repository at `root`."""
        return Selection(
            rotation=self.rotation,
            tags=self.tags,
            prompts_dir=None if self.prompts_dir is None else _kept(self.prompts_dir, root),
            agent=self.agent,
            max_parallel=self.max_parallel,
        )


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything resolved: overrides applied, budgets and hooks layered.

    `warnings` stop nothing: they are those of the configuration, and some that are given once, when a run begins.
    """

    root: Path
    config: Config
    rotation: Rotation
    prompts: dict[str, PromptDoc]
    hooks: HookSettings
    caps: Caps
    max_parallel: int
    selection: Selection = Selection()
    allow_prompt_changes: bool = False
    start_from: str | None = None
    warnings: tuple[str, ...] = ()

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Every agent that a run may start, with each model it would be asked to use; sorted.

        A fixer appears only if it is another agent than its prompt's; fallbacks have a model of their own.
        """
        config, metas = self.config, [doc.meta for doc in self.prompts.values()]
        implementers = [worker.implementer(config, meta) for meta in metas]
        # The shell agent cannot repair what it breaks.
        fixers = [worker.fixer(config, meta) for meta in metas if meta.verify and meta.agent == SHELL]
        fallbacks = [worker.stand_in(config, name) for name in config.limits.fallback]
        found = {each for each in (*implementers, *fixers, *fallbacks) if each is not None}
        return tuple(sorted({each if each.agent != SHELL else Worker(SHELL) for each in found}, key=str))

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents that may work in sessions, fixers and fallbacks included; sorted."""
        return tuple(sorted({each.agent for each in self.workers}))


def load_plan(root: Path, options: Options, *, run: RunState | None = None) -> Plan:
    """Read config, prompts and rotation of the repository at `root` and apply `options`.

    A `run` that is resumed keeps its own rotation, selection and caps where the options say nothing. Raises InputError
    with every problem of the files, StartError for what only their combination shows.
    """
    choice = options.selection(root).over(run.selection if run else None)
    inputs = load_inputs(
        root,
        home=Path.home(),
        prompts_dir=None if choice.prompts_dir is None else root / choice.prompts_dir,
        rotation=options.rotation or (run.plan_name if run else None),
        tags=choice.tags,
    )
    chosen = inputs.rotation
    prompts = {name: inputs.library.prompts[name] for name in chosen.prompt_names}
    config = inputs.config
    if choice.agent is not None:
        config = msgspec.structs.replace(config, backend=choice.agent)
    caps = run.caps if run and run.caps else budget.layer(config.grind.budgets, chosen.budgets)
    plan = Plan(
        root=root,
        config=config,
        rotation=chosen,
        prompts=prompts,
        hooks=chosen.hooks.over(config.grind.hooks),
        caps=budget.layer(budget.without(caps, options.lifted), options.caps),
        max_parallel=choice.max_parallel or chosen.max_parallel or config.grind.max_parallel,
        selection=choice,
        allow_prompt_changes=options.allow_prompt_changes,
        start_from=options.start_from,
        warnings=config.warnings,
    )
    _refuse_empty(plan)
    _refuse_unknown_agents(plan)
    keys = () if run else _paid_keys(plan)  # it was warned when it started
    warnings = (*plan.warnings, *_unexpanded(plan), *_unbounded(plan), *keys)
    return msgspec.structs.replace(plan, warnings=warnings)


def load_repair_plan(root: Path, options: Options, run: RunState | None) -> Plan:
    """What is needed to settle the sessions of `run`: as load_plan, or the configuration alone where that fails.

    A run whose state is lost can only be rebuilt with its rotation: then load_plan's errors are raised.
    """
    try:
        plan = load_plan(root, options, run=run)
        return msgspec.structs.replace(plan, warnings=plan.config.warnings)
    except StartError as error:
        if run is None:
            raise
        config = load_config(root)
        return Plan(
            root=root,
            config=config,
            rotation=Rotation(name=run.plan_name, entries=()),
            prompts={},
            hooks=config.grind.hooks,
            caps=Caps(),
            max_parallel=1,
            warnings=(f"going on without prompts: {error.message}",),
        )


def _kept(folder: Path, root: Path) -> str:
    """`folder` relative to the repository's root if it is inside, so that both may move; else as it is."""
    whole = Path(os.path.abspath(folder))  # noqa: PTH100 - a link stays what the user named
    return str(whole.relative_to(root) if whole.is_relative_to(root) else whole)


def _refuse_empty(plan: Plan) -> None:
    if not plan.prompts:
        raise StartError(
            "no prompts discovered", hint="`pitboss prompts new NAME` makes one; `pitboss init` an example"
        )


def _refuse_unknown_agents(plan: Plan) -> None:
    """Build every agent that may be needed, so that a wrong name is found before the night."""
    named = {doc.meta.agent for doc in plan.prompts.values() if doc.meta.agent is not None}
    for name in sorted({plan.config.backend, *plan.config.limits.fallback, *named}):
        build_agent(name, plan.config)


def _unexpanded(plan: Plan) -> list[str]:
    return [str(problem) for prompt in plan.prompts.values() if (problem := unexpanded(prompt))]


def _unbounded(plan: Plan) -> list[str]:
    """A warning when agents that cost something would work until somebody stops them."""
    if plan.caps != Caps():
        return []
    endless = {c.name for c in contenders(plan.rotation, plan.prompts) if c.max_runs is None}
    theirs = msgspec.structs.replace(plan, prompts={name: plan.prompts[name] for name in sorted(endless)})
    paid = [name for name in theirs.agents if may_cost(name, plan.config)] if endless else []
    if not paid:
        return []
    who = " and ".join(paid)
    return [f"nothing ends this run but you, and {who} may cost money: no budget is set; {_SET_A_BUDGET}"]


def _paid_keys(plan: Plan) -> list[str]:
    """A warning for each agent of the plan that may be billed by a key although it is logged in."""
    return [f"{keys.finding}; {keys.hint}" for keys in paid_keys(plan.agents, plan.config, os.environ)]
