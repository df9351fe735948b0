"""How much of each budget a run has used, the same in the footer, `status` and every other screen (SPEC 4, 10)."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.budget import NEARING_SHARE
from pitboss.core.measures import duration, money, spent, tokens
from pitboss.core.tone import Tone

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.budget import BudgetSnapshot, Caps
    from pitboss.core.measures import ClockFace
    from pitboss.core.view import View


class Used(msgspec.Struct, frozen=True, kw_only=True):
    """What a run has used up: sessions, tokens, US dollars."""

    sessions: int
    tokens: int
    cost_usd: float
    cost_known: bool

    @classmethod
    def by(cls, used: BudgetSnapshot, *, cost_known: bool, started: int = 0) -> Used:
        """From records alone; `started` is the number of the last session in flight."""
        return cls(
            sessions=max(used.iterations, started),
            tokens=used.tokens,
            cost_usd=used.cost_usd,
            cost_known=cost_known,
        )

    @classmethod
    def seen(cls, view: View) -> Used:
        """From records, plus what sessions in flight have used so far."""
        flights = view.in_flight
        recorded = cls.by(view.used, cost_known=view.cost_known, started=view.last_seq)
        return cls(
            sessions=recorded.sessions,
            tokens=recorded.tokens + sum(flight.tokens.input + flight.tokens.output for flight in flights),
            cost_usd=recorded.cost_usd + sum(flight.cost_usd for flight in flights),
            cost_known=recorded.cost_known and all(flight.cost_known for flight in flights),
        )


class Budget(StrEnum):
    """What a run has a budget of, in the order in which screens show it."""

    SESSIONS = "sessions"
    COST = "cost"
    TOKENS = "tokens"
    TIME = "time"


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one budget is used: sessions, US dollars, tokens, or seconds since the run began.

    `cap` is None where the run has none. `known` is false for a cost that is only a lower bound. `until` is when the
    time is up.
    """

    budget: Budget
    used: float
    cap: float | None = None
    known: bool = True
    until: datetime | None = None

    @property
    def share(self) -> float | None:
        """The part of the cap that is used, between 0 and 1; None without a cap."""
        if self.cap is None:
            return None
        return 1.0 if self.cap <= 0 else min(max(self.used / self.cap, 0.0), 1.0)

    @property
    def tone(self) -> Tone:
        """Quiet without a cap; a warning from 80 % on, or if a capped cost is not known; bad once it is used up."""
        share = self.share
        if share is None:
            return Tone.QUIET
        if share >= 1.0:
            return Tone.BAD
        return Tone.WARN if share >= NEARING_SHARE or not self.known else Tone.OK

    @property
    def says_nothing(self) -> bool:
        """Whether a screen without much room leaves it out: nothing is used, and there is no cap."""
        idle = not self.used and self.known and self.budget is not Budget.SESSIONS
        return self.cap is None and (idle or self.budget is Budget.TIME)


def gauges_of(view: View, now: datetime) -> tuple[Gauge, ...]:
    """The gauges of a run as a screen shows it, with what its sessions in flight have used so far."""
    return gauges(view.caps, Used.seen(view), started_at=view.started_at or now, now=now)


def gauges(caps: Caps, used: Used, *, started_at: datetime, now: datetime) -> tuple[Gauge, ...]:
    """The gauge of each budget, with or without a cap, in the order of `Budget`; the run began at `started_at`."""
    cap_s = None if caps.until is None else max((caps.until - started_at).total_seconds(), 0.0)
    elapsed_s = max((now - started_at).total_seconds(), 0.0)
    return (
        Gauge(budget=Budget.SESSIONS, used=used.sessions, cap=caps.max_iterations),
        Gauge(budget=Budget.COST, used=used.cost_usd, cap=caps.max_cost_usd, known=used.cost_known),
        Gauge(budget=Budget.TOKENS, used=used.tokens, cap=caps.max_tokens),
        Gauge(budget=Budget.TIME, used=elapsed_s, cap=cap_s, until=caps.until),
    )


def gauge_words(gauge: Gauge, clock: ClockFace) -> str:
    """`12 of 40 sessions`, `$0.25+ of $1.00`, `cost unknown`, `1.2k tokens`, `until 23:30`, `3h05m`.

    `clock` writes a time.
    """
    match gauge.budget:
        case Budget.SESSIONS:
            many = gauge.used if gauge.cap is None else gauge.cap
            return f"{int(gauge.used)}{_of(gauge.cap, lambda cap: str(int(cap)))} session{'' if many == 1 else 's'}"
        case Budget.COST:
            words = spent(gauge.used, known=gauge.known)
            return (
                f"{words}{_of(gauge.cap, money)}"
                if gauge.cap is not None
                else words.replace("unknown", "cost unknown")
            )
        case Budget.TOKENS:
            return f"{tokens(int(gauge.used))}{_of(gauge.cap, lambda cap: tokens(int(cap)))} tokens"
        case _:
            return duration(gauge.used) if gauge.until is None else f"until {clock(gauge.until)}"


def time_left(gauge: Gauge) -> str:
    """`3h05m left`: what remains of a capped time, for a screen that ticks."""
    return f"{duration((gauge.cap or 0.0) - gauge.used)} left"


def _of(cap: float | None, words: Callable[[float], str]) -> str:
    return "" if cap is None else f" of {words(cap)}"
