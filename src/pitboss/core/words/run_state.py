"""What a run is doing, or how it ended, with the reason: the first line of every screen (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.condition import Condition
from pitboss.core.events import Phase
from pitboss.core.gauges import Used
from pitboss.core.tone import CONDITION_TONES, Tone
from pitboss.core.view import Activity
from pitboss.core.words.endings import ending
from pitboss.core.words.phases import flight_words

if TYPE_CHECKING:
    from pitboss.core.measures import ClockFace
    from pitboss.core.view import Flight, View

_MOST_NAMED = 4


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A sentence about a run, and how good that is."""

    text: str
    tone: Tone


def run_words(view: View, how: Condition, stop_reason: str | None, clock: ClockFace) -> Said:
    """`session 12 of 40`, `waiting for codex's usage limit until 03:10`, `stopped at its limit: 2 of 2 sessions`.

    `stop_reason` is that of state.json; `clock` writes a time.
    """
    if how is Condition.LIVE:
        return live_words(view, clock)
    return Said(text=ending(how, stop_reason, clock), tone=CONDITION_TONES[how])


def live_words(view: View, clock: ClockFace) -> Said:
    """What a live run is doing."""
    match view.activity:
        case Activity.ABORTING:
            return Said(text="stopping now", tone=Tone.WARN)
        case Activity.DRAINING:
            waits = f": waiting for {_named(view)}" if view.in_flight else ""
            return Said(text=f"stopping{waits}", tone=Tone.WARN)
        case Activity.OVER:
            return Said(text="ending", tone=Tone.ACTIVE)
        case Activity.RUNNING if view.paused:
            waits = f": {_named(view)} still running" if view.in_flight else ""
            return Said(text=f"paused{waits}", tone=Tone.WARN)
        case _:  # RUNNING
            return _running(view, clock)


def _running(view: View, clock: ClockFace) -> Said:
    flights = view.in_flight
    if view.awaits and not flights:
        return Said(text=f"waiting for a worker: {view.awaits}", tone=Tone.WARN)
    if not flights:
        return Said(text="between sessions" if view.used.iterations else "starting", tone=Tone.ACTIVE)
    if all(flight.phase is Phase.WAIT for flight in flights):
        return Said(text=flight_words(min(flights, key=_wait_ends), clock), tone=Tone.WARN)
    cap = view.caps.max_iterations
    of = "" if cap is None else f" of {cap}"
    if len(flights) > _MOST_NAMED:
        return Said(text=f"{len(flights)} sessions at once, {Used.seen(view).sessions}{of}", tone=Tone.ACTIVE)
    return Said(text=f"{_named(view)}{of}", tone=Tone.ACTIVE)


def _wait_ends(flight: Flight) -> float:
    return float("inf") if flight.until is None else flight.until.timestamp()


def _named(view: View) -> str:
    """`session 12`, `sessions 12, 13`."""
    seqs = ", ".join(str(flight.seq) for flight in view.in_flight)
    return f"session{'s' if len(view.in_flight) > 1 else ''} {seqs}"
