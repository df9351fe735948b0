"""Compares what a run has spent and is spending with its caps (SPEC 4)."""

from __future__ import annotations

from collections import Counter
from math import inf
from typing import TYPE_CHECKING

from pitboss.core import budget
from pitboss.core.stops import StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Set
    from datetime import datetime

    from pitboss.core.budget import Caps, Exceeded
    from pitboss.core.usage import Usage
    from pitboss.engine.journal import Journal
    from pitboss.engine.meter import Meter


class Spending:
    """The run's caps, and what counts towards them: its records and, if budgets are `hard`, sessions in flight.

    The only holder of the caps that are in force: people may change them while the run lives.
    """

    def __init__(
        self, caps: Caps, meter: Meter, journal: Journal, now: Callable[[], datetime], *, hard: bool
    ) -> None:
        self._caps = caps
        self._meter = meter
        self._journal = journal
        self._now = now
        self._hard = hard
        self._warned: set[str] = set()

    @property
    def caps(self) -> Caps:
        """The caps in force."""
        return self._caps

    def hold_to(self, caps: Caps) -> None:
        """Put other caps in force, from the next check on; those that changed are warned of at 80 % too."""
        self._warned &= budget.unchanged(self._caps, caps)
        self._caps = caps

    def warned_before(self, caps: Set[str]) -> None:
        """Note the caps that the run has warned about before it was resumed."""
        self._warned |= caps

    def show(self, seq: int, used: Usage | None) -> None:
        """Note what session `seq` has used so far; None once its record counts it."""
        self._meter.show(seq, used)

    @property
    def is_hard(self) -> bool:
        """Whether sessions in flight count as well."""
        return self._hard

    @property
    def caps_cost(self) -> bool:
        """Whether the run has a cost cap."""
        return self._caps.max_cost_usd is not None

    def cap_reached(self) -> Exceeded | None:
        """The cap that forbids another session."""
        now, (used, running) = self._now(), self._journal.spent_with_outcomes()
        over = budget.exceeded(self._caps, used, now=now, in_flight=running)
        if over is not None or not self._hard:
            return over
        return self._meter.exceeded(self._caps, *self._journal.spending(), now)

    def fits(self, cost_group: str) -> bool:
        """Whether a session of that group fits in beside those in flight, given what they are all expected to cost."""
        if not self.caps_cost:
            return True
        spent = self._journal.spend_per_prompt
        groups = Counter(session.assignment.cost_group for session in self._journal.running)
        in_flight = sum(number * budget.expected_cost(spent, group) for group, number in groups.items())
        expected = budget.expected_cost(spent, cost_group)
        return budget.fits(self._caps, self._journal.consumed, in_flight, expected)

    def take_warnings(self) -> list[Exceeded]:
        """The caps that have reached 80 % since the last call."""
        started_at, used, warned = self._journal.state.started_at, self._journal.consumed, self._warned
        found = budget.nearing(self._caps, used, started_at=started_at, now=self._now(), warned=warned)
        warned.update(each.cap for each in found)
        return found

    def stop_session(self) -> StopRequest | None:
        """With hard budgets, a run cap ends sessions in flight too; running out of time is not a failure."""
        if not self._hard:
            return None
        over = self._meter.exceeded(self._caps, *self._journal.spending(), self._now())
        if over is None:
            return None
        return StopRequest.ABORT if over.cap == "until" else StopRequest.RUN_CAP

    def until_end_s(self) -> float:
        """Seconds until the run's end time ends sessions in flight."""
        until = self._caps.until
        return inf if until is None or not self._hard else (until - self._now()).total_seconds()

    def is_past_end(self) -> bool:
        """Whether the run has reached its end time."""
        until = self._caps.until
        return until is not None and self._now() >= until

    def left_usd(self, seq: int, billed_usd: float) -> float | None:
        """With a hard cost cap, how much it leaves session `seq`, billed `billed_usd` so far; else None."""
        most_usd = self._caps.max_cost_usd
        if most_usd is None or not self._hard:
            return None
        used = self._journal.consumed.cost_usd + self._meter.cost_beside(seq)
        return max(0.0, most_usd - used - billed_usd)
