"""What forbids resuming a run. Each refusal says why and what to do, and changes nothing (SPEC 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core import budget
from pitboss.core.stops import RunStatus
from pitboss.errors import CapReached, DamagedRun, ResumeError, StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from pitboss.core.budget import BudgetSnapshot, Caps
    from pitboss.core.recovery.facts import Facts
    from pitboss.core.run import RunState

MOST_RESTORED = 10_000
"""The most lost records that are still plausible; a seq that claims more is itself damage."""

_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}


class NoResumableRun(ResumeError):
    """No run under `directory` is active or aborted; `failed` names the last run if that failed or is unreadable."""

    def __init__(self, directory: str, failed: str | None = None, *, unreadable: bool = False) -> None:
        what = "cannot be read" if unreadable else "failed"
        settle = f"; `pitboss repair {failed}` makes the last one, which {what}, resumable" if failed else ""
        super().__init__(
            f"no resumable grind run found under {directory}",
            hint=f"start a new run with `pitboss grind`{settle}",
        )


class RunNotFound(ResumeError):
    """The run that was asked for does not exist."""

    def __init__(self, run_id: str, directory: str) -> None:
        super().__init__(
            f"grind run {_quoted(run_id)} not found at {directory}",
            hint="`pitboss runs` lists all runs",
        )


class StateUnreadable(ResumeError):
    """The run's state.json is missing or damaged."""

    def __init__(self, run_id: str, source: str) -> None:
        super().__init__(
            f"grind run {_quoted(run_id)}: failed to read state: {source}",
            hint=f"`pitboss repair {run_id}` rebuilds it from sessions.jsonl and the run branch",
        )


class NotResumable(ResumeError):
    """The run is completed or failed."""

    def __init__(self, run_id: str, status: RunStatus) -> None:
        super().__init__(
            f"grind run {_quoted(run_id)} is {status.name.capitalize()} and cannot be resumed; "
            "start a new run with `pitboss grind`",
            hint=f"`pitboss repair {run_id}` settles what was in flight; then it can be resumed"
            if status is RunStatus.FAILED
            else None,
        )


class PlanRenamed(ResumeError):
    """The current rotation is not the one the run was started with."""

    def __init__(self, run_id: str, original: str, current: str) -> None:
        from shlex import quote  # mostly nothing is refused

        super().__init__(
            f"grind run {_quoted(run_id)}: plan name changed (was {_quoted(original)}, now {_quoted(current)}); "
            "start a new run with `pitboss grind`",
            hint=f"or resume with `--rotation {quote(original)}`",
        )


class PromptSetChanged(ResumeError):
    """Prompts were added to or removed from the rotation since the run was started."""

    def __init__(self, run_id: str, added: Sequence[str], removed: Sequence[str]) -> None:
        super().__init__(
            f"grind run {_quoted(run_id)}: prompt set changed (added: {_listed(added)}, removed: {_listed(removed)}); "
            "start a new run with `pitboss grind`",
            hint="or accept the new set with `--allow-prompt-changes`",
        )
        self.added = tuple(added)
        self.removed = tuple(removed)


class StateOutOfSync(ResumeError):
    """state.json and sessions.jsonl contradict each other."""

    def __init__(self, run_id: str, state_seq: int, jsonl_seq: int) -> None:
        super().__init__(
            f"grind run {_quoted(run_id)}: state.json out of sync with sessions.jsonl (state says "
            f"last_session_seq={state_seq}, log tail has {jsonl_seq}); start a new run or repair state.json by hand",
            hint=f"`pitboss repair {run_id} --force --dry-run` shows what could be done",
        )


class PromptDiff(msgspec.Struct, frozen=True):
    """Names that are only in the current set, and names that are only in the original one."""

    added: tuple[str, ...]
    removed: tuple[str, ...]


def diff_prompt_names(original: Iterable[str], current: Iterable[str]) -> PromptDiff | None:
    """Compare two prompt sets regardless of order and repeats; None when they are the same."""
    before, now = set(original), set(current)
    if before == now:
        return None
    return PromptDiff(tuple(sorted(now - before)), tuple(sorted(before - now)))


def validate_resume(
    run: RunState, plan_name: str, prompt_names: Sequence[str], *, allow_prompt_changes: bool = False
) -> None:
    """Raise the ResumeError that forbids resuming `run`, if any (SPEC 7)."""
    if not run.status.is_resumable:
        raise NotResumable(run.run_id, run.status)
    if run.plan_name != plan_name:
        raise PlanRenamed(run.run_id, run.plan_name, plan_name)
    changed = diff_prompt_names(run.prompt_names, prompt_names)
    if changed is not None and not allow_prompt_changes:
        raise PromptSetChanged(run.run_id, changed.added, changed.removed)


def refuse_used_up(
    run: RunState,
    caps: Caps,
    used: BudgetSnapshot,
    now: datetime,
    *,
    nothing_left: Callable[[], bool] = lambda: False,
) -> None:
    """Raise CapReached when `run`, having `used` this much, may start no session under `caps` (SPEC 4).

    `nothing_left`: whether no prompt and no task has a turn left, so that a larger cap is of no use.
    """
    over = list(budget.used_up(caps, used, now=now, started_at=run.started_at))
    if not over:
        return
    said = "; ".join(each.message for each in over)
    lifted = " ".join(f"{each.more.split()[0]} none" for each in over)
    settle = f"; `pitboss repair {run.run_id}` settles what was in flight" if run.in_flight else ""
    more = f"`{_resume(run, over)}` goes on with as much again, `{lifted}` without that cap"
    if nothing_left():
        more = "a larger cap would not help, no prompt has a turn left: `pitboss grind` starts a new run"
    raise CapReached(f"run {run.run_id} is still at its cap: {said}", hint=more + settle)


def resume_command(run: RunState) -> str:
    """The command that resumes `run`, with a new cap for each one it has used up."""
    caps = run.caps or budget.Caps()
    used = budget.used_up(caps, run.budget_consumed, now=run.last_updated_at, started_at=run.started_at)
    return _resume(run, used)


def _resume(run: RunState, over: Iterable[budget.Exceeded]) -> str:
    return " ".join(("pitboss grind --resume", run.run_id, *(each.more for each in over)))


def refuse_what_only_a_person_may_settle(facts: Facts) -> None:
    """Raise DamagedRun, StateOutOfSync or StartError for the first obstacle."""
    _refuse_unlikely_seq(facts)
    _refuse_damaged_log(facts)
    _refuse_lost_branch(facts)
    _refuse_foreign_checkout(facts)


def _refuse_unlikely_seq(facts: Facts) -> None:
    lost = facts.count_missing()
    if lost <= MOST_RESTORED:
        return
    if facts.top in facts.early:
        where = "sessions.jsonl"
    elif facts.top in facts.landed:
        where = f"a commit on {facts.branch}"
    else:
        where = "state.json"
    raise DamagedRun(
        f"{where} mentions session {facts.top}, and {lost} sessions before it have no record",
        hint=f"remove what says {facts.top} if that is wrong, else restore sessions.jsonl from a copy",
    )


def _refuse_damaged_log(facts: Facts) -> None:
    if facts.force:
        return
    hint = f"`pitboss repair {facts.run_id} --force` sets the damage aside and rewrites lost records"
    if facts.damage:
        first, *others = facts.damage
        more = f" (and {len(others)} more)" if others else ""
        raise DamagedRun(f"sessions.jsonl line {first.line} is damaged: {first.detail}{more}", hint=hint)
    if facts.state is not None and facts.state.last_session_seq > facts.highest_seq:
        raise StateOutOfSync(facts.run_id, facts.state.last_session_seq, facts.highest_seq)
    checkpoint = facts.state.last_session_seq if facts.state is not None else 0
    lost = next((seq for seq in facts.missing() if seq <= checkpoint or seq not in facts.landed), None)
    if lost:
        raise DamagedRun(f"sessions.jsonl has no record of session {lost}", hint=hint)


def _refuse_lost_branch(facts: Facts) -> None:
    if facts.branch_tip is None and not (facts.last_commit and facts.last_commit_exists):
        lost = (
            f"its last recorded commit {facts.last_commit[:7]}" if facts.last_commit else "its first commit"
        )
        raise StartError(
            f"the run branch {facts.branch} is gone, and so is {lost}",
            hint=f"`git branch {facts.branch} COMMIT` puts it back; `git reflog` may know the commit",
        )


def _refuse_foreign_checkout(facts: Facts) -> None:
    checkout = facts.checkout
    if checkout is None or not checkout.dirty or (facts.left_in_checkout and not facts.somebody_elsewhere):
        return
    if checkout.branch == facts.branch and facts.half_landed:
        return
    raise StartError(
        "the working tree has uncommitted changes that no session made",
        hint=f"{checkout.way_out}, then resume",
    )


def _quoted(text: str) -> str:
    """The text as Rust's `{:?}` shows it, as in the Rust program's messages."""
    return '"' + "".join(map(_escaped, text)) + '"'


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    return char if char.isprintable() else f"\\u{{{ord(char):x}}}"


def _listed(names: Sequence[str]) -> str:
    return "[" + ", ".join(_quoted(n) for n in names) + "]"
