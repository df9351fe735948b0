"""The loop of a run: ask whether to stop, pick, run a session, repeat (SPEC 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core import budget
from pitboss.core.events import RunEnded, Warned
from pitboss.core.run import StopReason
from pitboss.core.scheduler import Exhausted, Pick, next_pick
from pitboss.core.session import SessionRecord
from pitboss.engine.session import run_session
from pitboss.guardian import StopLevel

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.engine.context import RunContext

SESSIONS_BETWEEN_TIDYING = 500


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Why the loop stopped, in a word and in a sentence."""

    reason: StopReason
    message: str


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What a resumed run brings along.

    `any_failed`: some session in the log was error or timeout. `unjudged` are records that no loop has
    looked at: a dead runner's last ones, and those that recovery made. `paused`: somebody resumes a run
    that was stopped in order, so failures before now do not stop it before it has tried.
    """

    any_failed: bool = False
    unjudged: tuple[SessionRecord, ...] = ()
    paused: bool = False


def run_loop(context: RunContext, past: Past, *, tidy: Callable[[], None]) -> int:
    """Run sessions until something says stop; write the terminal state and return the exit code.

    `tidy` is called every few hundred sessions to keep the repository fast.
    """
    any_failed = past.any_failed or any(record.status.failed for record in past.unjudged)
    ending = next(filter(None, (_unpriced(context, record) for record in past.unjudged)), None)
    warned: set[str] = set()
    sessions = 0
    while True:
        streak_counts = sessions > 0 or not past.paused
        choice = ending or _why_stop(context, streak_counts=streak_counts) or _choose(context)
        if not isinstance(choice, Pick):
            return _finish(context, choice, any_failed=any_failed)
        record = run_session(context, choice)
        any_failed = any_failed or record.status.failed
        ending = _unpriced(context, record)
        _warn_of_caps(context, warned)
        sessions += 1
        if sessions % SESSIONS_BETWEEN_TIDYING == 0:
            tidy()


def _choose(context: RunContext) -> Pick | Ending:
    answer = next_pick(context.contenders, context.journal.scheduler())
    if isinstance(answer, Exhausted):
        return Ending(reason=StopReason.EXHAUSTED, message="every prompt has had its runs")
    return answer


def _why_stop(context: RunContext, *, streak_counts: bool) -> Ending | None:
    level = context.control.level()
    used = context.journal.state.budget_consumed
    limit = context.config.grind.consecutive_failure_limit
    if level is StopLevel.ABORT:
        return Ending(reason=StopReason.ABORTED, message="aborted on request")
    if streak_counts and 0 < limit <= used.consecutive_failures:
        message = f"{used.consecutive_failures} sessions failed in a row (limit {limit})"
        return Ending(reason=StopReason.FAILURES, message=message)
    over = budget.exceeded(
        context.caps, used, now=context.clock(), in_flight=len(context.journal.state.in_flight)
    )
    if over is not None:
        return Ending(reason=StopReason.BUDGET, message=over.message)
    if level is StopLevel.DRAIN:
        return Ending(reason=StopReason.DRAINED, message="drained on request")
    return None


def _warn_of_caps(context: RunContext, warned: set[str]) -> None:
    state = context.journal.state
    for warning in budget.nearing(
        context.caps, state.budget_consumed, started_at=state.started_at, now=context.clock(), warned=warned
    ):
        warned.add(warning.cap)
        context.emit(Warned(text=warning.message))


def _unpriced(context: RunContext, record: SessionRecord) -> Ending | None:
    """A session of unknown cost ends a run that has a cost cap: going on could overspend unseen (SPEC 4)."""
    if record.cost_known or context.caps.max_cost_usd is None:
        return None
    model = record.model or "unknown"
    what = f"the cost of session {record.seq} is unknown (model {model}) and there is a cost cap"
    todo = (
        f'set [budgets.pricing."{model}"] in .pitboss/config.toml'
        if record.tokens.input or record.tokens.output
        else "its agent did not say what it used"
    )
    return Ending(reason=StopReason.BUDGET, message=f"{what}; {todo}")


def _finish(context: RunContext, ending: Ending, *, any_failed: bool) -> int:
    code = ending.reason.exit_code(any_failed=any_failed)
    context.journal.finished(ending.reason.final_status, ending.message)
    context.emit(
        RunEnded(run=context.journal.state, stop_reason=ending.reason, message=ending.message, exit_code=code)
    )
    return code
