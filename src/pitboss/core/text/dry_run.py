"""The report of `grind --dry-run`: what would run, under which limits, and in which order (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.budget import Caps
from pitboss.core.chooser import Choice
from pitboss.core.config import HookSettings
from pitboss.core.embed import one_line
from pitboss.core.left_out import left_out
from pitboss.core.measures import exact_money, stamp
from pitboss.core.prompt import PromptDoc
from pitboss.core.rotation import Rotation, contenders
from pitboss.core.run import RunState
from pitboss.core.words.standing import left_out_words

if TYPE_CHECKING:
    from collections.abc import Sequence


PREVIEWED = 10
"""How many sessions the preview shows at most."""


class DryRun(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a run would start from, resolved; `run` is the one to resume, if any.

    `caps` and `hooks` are merged, as they would apply. `branch` is the branch checked out now, None when detached or
    outside a git repository; `first` are the sessions the run would start with, up to `PREVIEWED`; `problem` says why
    a real run would refuse to start.
    """

    root: str
    branch: str | None
    agent: str
    mode: str
    max_parallel: int
    prompts: dict[str, PromptDoc]
    rotation: Rotation
    caps: Caps
    hooks: HookSettings
    first: tuple[Choice, ...] = ()
    run: RunState | None = None
    problem: str | None = None


def dry_run_report(plan: DryRun) -> str:
    """The whole report, final newline included."""
    resumed = plan.run is not None
    title = "Scheduler preview (resumed scheduler state)" if resumed else "Scheduler preview"
    sections = [
        ("Workspace", _workspace(plan)),
        ("Prompts", _prompts(plan)),
        ("Plan", _plan(plan)),
        ("Budgets", _budgets(plan.caps)),
        ("Hooks", _hooks(plan.hooks)),
        *([("Resume", _resume(plan.run))] if plan.run else []),
        (title, _preview(plan.first)),
    ]
    body = "".join(f"\n## {name}\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections)
    return f"=== pitboss grind --dry-run ===\nversion: 1\n{body}"


def _workspace(plan: DryRun) -> list[str]:
    lines = [
        f"- root: {plan.root}",
        f"- branch: {plan.branch or '(none)'}",
        f"- agent: {plan.agent}",
        f"- mode: {plan.mode}",
        f"- max_parallel: {plan.max_parallel}",
    ]
    return lines if plan.problem is None else [*lines, f"- problem: {one_line(plan.problem)}"]


def _prompts(plan: DryRun) -> list[str]:
    lines = [_prompt(plan.prompts[name]) for name in sorted(plan.prompts)]
    return lines or ["(no prompts discovered)"]


def _prompt(doc: PromptDoc) -> str:
    meta = doc.meta
    terms = f"weight={meta.weight} every={meta.every} max_runs={_or_none(meta.max_runs)}"
    if meta.max_barren is not None:
        terms += f" max_barren={meta.max_barren}"
    flags = f"verify={_yes(meta.verify)} parallel_safe={_yes(meta.parallel_safe)}"
    return f"- {meta.name} [{doc.source_kind}] {terms} {flags} {doc.source_path}"


def _plan(plan: DryRun) -> list[str]:
    entries = [
        f"- {c.name} weight={c.weight} every={c.every} max_runs={_or_none(c.max_runs)}"
        for c in contenders(plan.rotation, plan.prompts)
    ]
    return [f"name: {plan.rotation.name}", *entries]


def _budgets(caps: Caps) -> list[str]:
    return [
        f"- max_iterations: {_or_none(caps.max_iterations)}",
        f"- until: {'(none)' if caps.until is None else stamp(caps.until)}",
        f"- max_cost_usd: {'(none)' if caps.max_cost_usd is None else exact_money(caps.max_cost_usd)}",
        f"- max_tokens: {_or_none(caps.max_tokens)}",
    ]


def _hooks(hooks: HookSettings) -> list[str]:
    named = msgspec.structs.asdict(hooks)
    return [
        f"- {name}: {'(none)' if command is None else one_line(command)}" for name, command in named.items()
    ]


def _resume(run: RunState) -> list[str]:
    used = run.budget_consumed
    return [
        f"- run_id: {run.run_id}",
        f"- last_session_seq: {run.last_session_seq}",
        f"- scheduler_rotation: {run.scheduler_state.rotation}",
        f"- iterations_consumed: {used.iterations}",
        f"- tokens_consumed: {used.tokens} (input={used.tokens_input}, output={used.tokens_output})",
        f"- cost_consumed_usd: {exact_money(used.cost_usd)}",
        *([] if run.cost_known else ["- cost_known: no, it is more than that"]),
        f"- consecutive_failures: {used.consecutive_failures}",
        *(f"- left_out: {one_line(each.prompt)} {left_out_words(each)}" for each in left_out(run)),
    ]


def _preview(first: Sequence[Choice]) -> list[str]:
    lines = [f"{nth}. {choice.prompt} {_turn(choice)}" for nth, choice in enumerate(first, start=1)]
    return lines if len(lines) == PREVIEWED else [*lines, "(nothing left to run)"]


def _turn(choice: Choice) -> str:
    if choice.queued is not None:
        return f"(queued task {choice.queued})"
    if choice.retry_of is None:
        return f"(rotation {choice.rotation})"
    return f"(again after session {choice.retry_of}, which ended in conflict)"


def _or_none(value: int | None) -> str:
    return "(none)" if value is None else str(value)


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
