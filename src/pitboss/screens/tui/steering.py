"""What a person may ask of a live run from the TUI: the question that comes first, and the request itself; pure.

What the run answers is in `core.words.deeds`, as for the commands `pause`, `stop`, `skip` and `budget` (SPEC 10).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.budget import CapChanges
from pitboss.core.gauges import Budget
from pitboss.core.measures import money, tokens
from pitboss.core.requests import ChangeCaps, Pause, Request, Skip, Stop, Unpause
from pitboss.core.words.deeds import named

if TYPE_CHECKING:
    from datetime import datetime

    from pitboss.core.measures import ClockFace
    from pitboss.core.view import View

_MOST_NAMED = 2
BY = "watch"
"""Who asks: the command whose screen this is."""


class Plea(NamedTuple):
    """Something to ask a run for, once a person has said yes to `question`; `details` say what it means."""

    question: str
    details: tuple[str, ...]
    request: Request


class NewCap(NamedTuple):
    """A cap to ask for: of which budget, and how high; None lifts it. Time is in seconds since the run began."""

    budget: Budget
    cap: float | None


def pause(view: View) -> Plea:
    """Pause the run, or let it go on."""
    if view.paused:
        return Plea("Let the run go on?", ("Sessions start again at once.",), Unpause())
    finish = (f"{_flying(view)} will finish.",) if view.in_flight else ()
    return Plea("Pause the run?", (*finish, "No new session starts until you press p again."), Pause())


def stop(view: View, *, now: bool) -> Plea:
    """Stop the run, after the sessions in flight or at once."""
    if now:
        lost = f"{_flying(view)} will be ended and recorded as aborted." if view.in_flight else ""
        return Plea(
            "Stop the run now?",
            (*filter(None, (lost,)), "Work is rescued. The run can be resumed."),
            Stop(now=True),
        )
    waits = f"{_flying(view)} will finish first." if view.in_flight else "Nothing is in flight."
    return Plea("Stop the run?", (waits, "It can be resumed."), Stop())


def skip(view: View, seq: int) -> Plea:
    """Skip one session in flight."""
    name = named((seq,), view)
    details = ("Its agent is ended, its work is rescued.", "The run goes on with the next session.")
    return Plea(f"Skip {name}?", details, Skip(seq=seq))


def change_cap(view: View, new: NewCap, clock: ClockFace) -> Plea:
    """Another cap from the run's next check on."""
    changes, words = _cap(new, view.started_at, clock)
    lifted = f"Lift the cap on {new.budget}?"
    question = lifted if new.cap is None else f"Set the cap on {new.budget} to {words}?"
    return Plea(
        question, ("It counts from the run's next check on, for the whole run.",), ChangeCaps(caps=changes)
    )


def _cap(new: NewCap, began: datetime | None, clock: ClockFace) -> tuple[CapChanges, str]:
    count = None if new.cap is None else int(new.cap)
    match new.budget:
        case Budget.SESSIONS:
            return CapChanges(max_iterations=count), str(count)
        case Budget.COST:
            return CapChanges(max_cost_usd=new.cap), money(new.cap or 0.0)
        case Budget.TOKENS:
            return CapChanges(max_tokens=count), tokens(count or 0)
        case Budget.TIME:
            until = None if new.cap is None or began is None else began + timedelta(seconds=new.cap)
            return CapChanges(until=until), "" if until is None else clock(until)


def _flying(view: View) -> str:
    flights = view.in_flight
    if len(flights) > _MOST_NAMED:
        return f"The {len(flights)} sessions in flight"
    return named((flight.seq for flight in flights), view)
