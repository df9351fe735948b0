"""The reasons for a run to start no further session: stops, budgets, failures in a row, dead ends (SPEC 4, 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core import budget
from pitboss.core.billing import unknown_cost_advice
from pitboss.core.events import Warned
from pitboss.core.measures import counted
from pitboss.core.retry import stuck_for
from pitboss.core.session import SessionRecord
from pitboss.core.stops import Ending, StopLevel, StopReason

if TYPE_CHECKING:
    from pitboss.core.budget import Caps
    from pitboss.core.config import Config
    from pitboss.core.events import Observer
    from pitboss.core.run import RunState
    from pitboss.core.session import Outcome
    from pitboss.engine.control import Control
    from pitboss.engine.journal import Journal
    from pitboss.engine.spending import Spending

GUARDIAN_GONE = "the guardian, its first process, was killed"
"""Why a run stopped that nobody asked to."""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """What a resumed run carries over.

    `any_failed`: some session in the log was error or timeout. `unjudged` are records that no loop has
    judged yet: a dead runner's last ones, and those that recovery made. `was_stopped`: the run had stopped in
    good order, so earlier failures do not stop it before it has run a session. `warned` names the caps that it has
    warned about.
    """

    any_failed: bool = False
    unjudged: tuple[SessionRecord, ...] = ()
    was_stopped: bool = False
    warned: frozenset[str] = frozenset()


def warned_caps(state: RunState, caps: Caps) -> frozenset[str]:
    """The caps that a run warned about before it is resumed under `caps`, by its checkpoint, which is never ahead."""
    if state.caps is None:
        return frozenset()
    used, began, ended = state.budget_consumed, state.started_at, state.last_updated_at
    return frozenset(budget.warned_before(caps, state.caps, used, started_at=began, now=ended))


class Brakes:
    """Judges records as they come, and decides whether another session may start."""

    def __init__(
        self,
        control: Control,
        spending: Spending,
        journal: Journal,
        config: Config,
        past: Past,
        emit: Observer,
    ) -> None:
        self._control = control
        self._spending = spending
        self._journal = journal
        self._config = config
        self._emit = emit
        self._streak_counts = not past.was_stopped
        self._any_failed = past.any_failed
        self._ending: Ending | None = None
        spending.warned_before(past.warned)
        for record in past.unjudged:
            self._judge(record)

    @property
    def any_failed(self) -> bool:
        """Whether some session of the run was error or timeout."""
        return self._any_failed

    def why_stop(self) -> Ending | None:
        """What forbids another session, if anything, in the order of SPEC 4 and 5; asking changes nothing."""
        if (final := self._ending or self._unpriced_in_flight()) is not None:
            return final
        level = self._control.level()
        if level is StopLevel.ABORT:
            message = GUARDIAN_GONE if self._control.abandoned else "aborted on request"
            return Ending(reason=StopReason.ABORTED, message=message)
        over = self._spending.cap_reached()
        # A hard cap fails everything in flight at once: blame the cap, not a streak of failures.
        if not (over and self._spending.is_hard) and (streak := self._streak()):
            return streak
        if over is not None:
            return Ending(reason=StopReason.BUDGET, message=over.message)
        if level is StopLevel.DRAIN:
            return Ending(reason=StopReason.DRAINED, message="drained on request")
        return None

    def ends_waits(self, stop: Ending | None) -> bool:
        """Whether sessions give up a wait of hours, given what `why_stop` says.

        A session in flight may still break a streak of failures; then they wait again.
        """
        return stop is not None and (stop is self._ending or stop.reason is StopReason.FAILURES)

    def can_afford(self, cost_group: str) -> bool:
        """Whether the budget allows a session of that group beside those in flight, given its expected cost."""
        return self._spending.fits(cost_group)

    def take(self, record: SessionRecord) -> None:
        """Judge the record of a session that this run started, and warn of caps that are nearly used up."""
        self._judge(record)
        self._ending = self._ending or self._dead_end(record)
        self._streak_counts = True
        for warning in self._spending.take_warnings():
            self._emit(Warned(text=warning.message))

    def _judge(self, record: SessionRecord) -> None:
        self._any_failed = self._any_failed or record.status.failed
        self._ending = self._ending or self._unpriced(record)

    def _streak(self) -> Ending | None:
        limit = self._config.grind.consecutive_failure_limit
        failures = self._journal.consumed.consecutive_failures
        if not self._streak_counts or not 0 < limit <= failures:
            return None
        message = f"{counted(failures, 'session')} failed in a row (limit {limit})"
        return Ending(reason=StopReason.FAILURES, message=message)

    def _unpriced(self, record: SessionRecord) -> Ending | None:
        """A session of unknown cost ends a run that has a cost cap: going on could overspend unseen (SPEC 4)."""
        return self._of_unknown_cost(record.seq, record) if self._spending.caps_cost else None

    def _unpriced_in_flight(self) -> Ending | None:
        """The same for sessions whose agents are done and that have no record yet: they may take long to land."""
        if not self._spending.caps_cost:
            return None
        ends = (self._of_unknown_cost(seq, outcome) for seq, outcome in self._journal.outcomes.items())
        return next(filter(None, ends), None)

    def _of_unknown_cost(self, seq: int, ended: SessionRecord | Outcome) -> Ending | None:
        if ended.cost_known:
            return None
        model = ended.unpriced or ended.model or "unknown"
        what = f"the cost of session {seq} is unknown (model {model}) and there is a cost cap"
        return Ending(reason=StopReason.BUDGET, message=f"{what}; {unknown_cost_advice(ended)}")

    def _dead_end(self, record: SessionRecord) -> Ending | None:
        """A session that met a dead end ends the run: every other one would meet it too (SPEC 6)."""
        hint = stuck_for(record, self._config.limits)
        if hint is None:
            return None
        message = f"session {record.seq} met a dead end: {record.reason}; {hint}"
        return Ending(reason=StopReason.DEAD_END, message=message)
