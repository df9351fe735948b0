"""What the loop does next, given all it knows: start a session, wait for one to end, or stop (SPEC 3, 4, 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core import budget
from pitboss.core.billing import unknown_cost_advice
from pitboss.core.chooser import Choice, Wait
from pitboss.core.retry import stuck_for
from pitboss.core.stops import Ending, StopLevel, StopReason

if TYPE_CHECKING:
    from pitboss.core.budget import Exceeded
    from pitboss.core.session import Assignment, SessionRecord
    from pitboss.engine.context import RunContext


def next_step(
    context: RunContext, running: tuple[Assignment, ...], *, streak_counts: bool
) -> Choice | Wait | Ending:
    """Choose by stop requests, then budgets, then turns; prompts are started strictly in the order of their turns.

    Whoever's turn it is waits until there is room for it, and nobody overtakes: a prompt that has to run alone is
    never starved by those that need not, nor they by it. `streak_counts`: failures in a row may stop the run.
    """
    stop = _why_stop(context, streak_counts=streak_counts)
    if stop is not None:
        context.gate.closing |= stop.reason is StopReason.FAILURES
        return Wait() if running else stop
    step = context.chooser.next(context.journal.state, running)
    return Wait() if isinstance(step, Choice) and not _has_money(context, step, running) else step


def _why_stop(context: RunContext, *, streak_counts: bool) -> Ending | None:
    """What forbids to start one more session, if anything does, in the order of SPEC 4 and 5."""
    level = context.control.level()
    used = context.journal.consumed
    limit = context.config.grind.consecutive_failure_limit
    if level is StopLevel.ABORT:
        return Ending(reason=StopReason.ABORTED, message="aborted on request")
    over = _over_budget(context)
    # A hard cap fails all that is in flight at once: no streak of failures, but the cap is why.
    capped = over is not None and context.config.hard_budgets
    if streak_counts and 0 < limit <= used.consecutive_failures and not capped:
        message = f"{used.consecutive_failures} sessions failed in a row (limit {limit})"
        return Ending(reason=StopReason.FAILURES, message=message)
    if over is not None:
        return Ending(reason=StopReason.BUDGET, message=over.message)
    if level is StopLevel.DRAIN:
        return Ending(reason=StopReason.DRAINED, message="drained on request")
    return None


def _over_budget(context: RunContext) -> Exceeded | None:
    """The cap that forbids one more session; a hard one counts what is being spent."""
    now, (used, running) = context.clock(), context.journal.spent()
    over = budget.exceeded(context.caps, used, now=now, in_flight=len(running))
    if over is not None or not context.config.hard_budgets:
        return over
    return context.meter.exceeded(used, running, now)


def unpriced(context: RunContext, record: SessionRecord) -> Ending | None:
    """A session of unknown cost ends a run that has a cost cap: going on could overspend unseen (SPEC 4)."""
    if record.cost_known or context.caps.max_cost_usd is None:
        return None
    model = record.unpriced or record.model or "unknown"
    what = f"the cost of session {record.seq} is unknown (model {model}) and there is a cost cap"
    return Ending(reason=StopReason.BUDGET, message=f"{what}; {unknown_cost_advice(record)}")


def stuck(context: RunContext, record: SessionRecord) -> Ending | None:
    """A session that met a dead end ends the run: every other one would meet it too (SPEC 6)."""
    hint = stuck_for(record, context.config.limits)
    if hint is None:
        return None
    message = f"session {record.seq} met a dead end: {record.reason}; {hint}"
    return Ending(reason=StopReason.DEAD_END, message=message)


def _has_money(context: RunContext, choice: Choice, running: tuple[Assignment, ...]) -> bool:
    """Whether the session may start beside others: one that runs alone needs no such room."""
    if not running:
        return True
    spent = context.journal.state.spend_per_prompt
    return budget.fits(
        context.caps,
        context.journal.consumed,
        sum(budget.expected_cost(spent, session.assignment.prompt) for session in context.journal.running),
        budget.expected_cost(spent, choice.prompt),
    )
