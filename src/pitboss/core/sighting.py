"""What events say of a run, corrected by what is on record: what every viewer shows (SPEC 9).

Events may be missing, torn or late; state.json and sessions.jsonl are the truth, but do not say what sessions are
doing. With all of the events, and nothing on record that they do not tell, the result is the fold of the events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.budget import BudgetSnapshot
from pitboss.core.run import RunState
from pitboss.core.session import InFlight, SessionRecord
from pitboss.core.stops import RunStatus
from pitboss.core.view import MOST_RECENT, Activity, View, of_state

if TYPE_CHECKING:
    from collections.abc import Collection

    from pitboss.core.events import RunEnded
    from pitboss.core.view import Flight


class OnRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a run's files say for sure. `state` is None if it cannot be read; `live`: its process is alive.

    `used` and `cost_known` sum up all records, `recent` are the last of them, latest first, and `recorded` the seqs of
    those that state.json or events may still take for sessions in flight. `missing` is the first session whose record
    the log has lost (`first_missing`).
    """

    run_id: str
    state: RunState | None
    live: bool
    used: BudgetSnapshot
    cost_known: bool
    recent: tuple[SessionRecord, ...]
    recorded: frozenset[int]
    missing: int | None = None

    @property
    def in_flight(self) -> tuple[InFlight, ...]:
        """The sessions of state.json that have no record (it also lists those that ended before an earlier one)."""
        listed = () if self.state is None else self.state.in_flight
        return tuple(session for session in listed if session.seq not in self.recorded)

    @property
    def lost(self) -> str | None:
        """What the log has lost, in words."""
        if self.missing is None:
            return None
        return f"sessions.jsonl is damaged: it has no record of session {self.missing}"


def first_missing(summed_up: int, recorded: Collection[int]) -> int | None:
    """The first of the sessions that state.json sums up, 1 to `summed_up`, that a whole log has no record of.

    A run at rest is to be asked about: state.json sums up records only once they are in the log.
    """
    return next((seq for seq in range(1, summed_up + 1) if seq not in recorded), None)


def sighted(events: View, found: OnRecord) -> View:
    """The view to show: `events` is the fold of whatever events could be read."""
    view = _with_state(events, found)
    flights = tuple(_as_of(flight, live=found.live) for flight in _flights(events, found))
    running = found.live and (found.state is None or found.state.status is RunStatus.ACTIVE)
    activity = _activity(events, running=running)
    recent = found.recent[:MOST_RECENT]
    seqs = (*(record.seq for record in recent), *(flight.seq for flight in flights))
    return msgspec.structs.replace(
        view,
        run_id=found.run_id,
        activity=activity,
        paused=running and view.paused,
        awaits=view.awaits if running else "",
        used=found.used,
        cost_known=found.cost_known,
        last_seq=max((found.used.iterations, *seqs)),
        in_flight=flights,
        recent=recent,
        diffs={record.seq: events.diffs[record.seq] for record in recent if record.seq in events.diffs},
        next_pick=events.next_pick if running else None,
        ended=_ended(events, found),
    )


def _with_state(events: View, found: OnRecord) -> View:
    """`events`, or the state alone where no start of this run was reported, with what the state knows better."""
    state = found.state
    if state is None:
        return events
    base = events if events.run_id == found.run_id else of_state(state, ())
    return msgspec.structs.replace(
        base,
        caps=base.caps if state.caps is None else state.caps,
        paused=state.paused,
        started_at=state.started_at,
        quota={**state.quota, **events.quota},
        warnings=events.warnings,
        awaits=events.awaits,
    )


def _flights(events: View, found: OnRecord) -> tuple[Flight, ...]:
    """Sessions in flight, as the state lists them, with what events say of them."""
    if found.state is None:
        return tuple(flight for flight in events.in_flight if flight.seq not in found.recorded)
    known = of_state(found.state, found.in_flight).in_flight
    return tuple(_told(flight, events.flight(flight.seq)) for flight in known)


def _as_of(flight: Flight, *, live: bool) -> Flight:
    return flight if flight.cut_short is not live else msgspec.structs.replace(flight, cut_short=not live)


def _told(flight: Flight, told: Flight | None) -> Flight:
    """A flight of state.json with what events add to it; one whose start they tell is wholly theirs."""
    if told is None:
        return flight
    if told.started_at is not None:
        return told
    fresh = msgspec.structs.asdict(told)
    names = ("detail", "what", "step", "step_at", "tokens", "cost_usd", "cost_known")
    seen = {name: fresh[name] for name in names}
    phase = {} if told.phase is None else {"phase": told.phase, "until": told.until}
    return msgspec.structs.replace(flight, **seen, **phase)


def _activity(events: View, *, running: bool) -> Activity:
    if not running:
        return Activity.OVER
    return Activity.RUNNING if events.activity is Activity.OVER else events.activity


def _ended(events: View, found: OnRecord) -> RunEnded | None:
    """How it ended, if that was the last thing that happened to it."""
    said = events.ended
    if said is None or found.live or found.state is None or said.status is not found.state.status:
        return None
    return said
