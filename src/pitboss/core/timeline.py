"""A night as lanes, one for each slot: sessions and, inside them, waits, tests and landings (SPEC 10).

Events tell what a session did and in which slot; without them its record still says when it began and ended.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.diff_stat import DiffStat
from pitboss.core.events import Phase, PhaseChanged, SessionEnded, SessionStarted
from pitboss.core.session import Reason, SessionStatus, reason_kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pitboss.core.session import SessionRecord
    from pitboss.core.view import Flight

MOST_STRETCHES = 200
"""How many phases of one session are kept: its last ones."""

USERS_TREE = "your tree"
"""What the lane of sessions without a working copy of their own is called."""


class Stretch(msgspec.Struct, frozen=True, kw_only=True):
    """A time that a session spent in one phase; `ended` is None while it lasts."""

    phase: Phase
    began: datetime
    ended: datetime | None = None
    detail: str = ""


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """What events said of one session: where it worked, its phases in order, and how much of a change landed."""

    seq: int
    began: datetime | None = None
    slot: str | None = None
    host: str | None = None
    stretches: tuple[Stretch, ...] = ()
    diff: DiffStat | None = None


class Span(msgspec.Struct, frozen=True, kw_only=True):
    """One session in a lane. `status` and `ended` are None while it is in flight; only `status` if it was cut short."""

    seq: int
    prompt: str
    began: datetime
    ended: datetime | None = None
    status: SessionStatus | None = None
    landed: bool = False
    rescued: bool = False
    waited_s: float = 0.0
    stretches: tuple[Stretch, ...] = ()


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One slot over the night; its spans are in order of their beginning and do not overlap.

    A session that lands while the next one has its working copy ends where that one begins.
    """

    name: str
    spans: tuple[Span, ...]


def tracked(track: Track | None, event: SessionStarted | PhaseChanged | SessionEnded) -> Track:
    """What is known of a session after one more event about it."""
    match event:
        case SessionStarted():
            return Track(seq=event.seq, began=event.t, slot=event.slot, host=event.host)
        case PhaseChanged():
            return _entered(track or Track(seq=event.seq), event)
        case _:  # SessionEnded
            return _ended(track or Track(seq=event.seq), event)


def lanes(
    records: Sequence[SessionRecord], in_flight: Iterable[Flight], tracks: Mapping[int, Track]
) -> tuple[Lane, ...]:
    """Every session in the lane of its slot; one whose slot is not known takes the first lane that is free."""
    spans = [_recorded(record, tracks.get(record.seq)) for record in records]
    spans += [span for flight in in_flight if (span := _flying(flight, tracks.get(flight.seq))) is not None]
    spans.sort(key=lambda span: (span.began, span.seq))
    known = {seq: track.slot or USERS_TREE for seq, track in tracks.items() if track.began is not None}
    slots = _Slots()
    for span in spans:
        slots.place(span, known.get(span.seq))
    return slots.lanes()


class _Slots:
    """Lanes that are being filled."""

    def __init__(self) -> None:
        self._spans: dict[str, list[Span]] = {}

    def place(self, span: Span, slot: str | None) -> None:
        """Put a span, later than all before it, into its lane."""
        name = slot or next((name for name in self._spans if self._is_free(name, span)), None)
        if name is None or not self._is_free(name, span):
            name = f"lane {len(self._spans) + 1}" if self._spans else USERS_TREE
        spans = self._spans.setdefault(name, [])
        if spans and (spans[-1].ended is None or spans[-1].ended > span.began):
            spans[-1] = msgspec.structs.replace(spans[-1], ended=span.began)
        spans.append(span)

    def _is_free(self, name: str, span: Span) -> bool:
        last = self._spans.get(name, [])[-1:]
        return not last or ((left := _left(last[0])) is not None and left <= span.began)

    def lanes(self) -> tuple[Lane, ...]:
        """Your own tree first, then by name."""
        names = sorted(self._spans, key=lambda name: (name != USERS_TREE, len(name), name))
        return tuple(Lane(name=name, spans=tuple(self._spans[name])) for name in names)


def _left(span: Span) -> datetime | None:
    """When a session left its lane to others: while it waits to land, the next one has its working copy."""
    return next((each.began for each in span.stretches if each.phase is Phase.LAND), span.ended)


def _entered(track: Track, event: PhaseChanged) -> Track:
    if event.t is None:
        return track
    begun = Stretch(phase=event.phase, began=event.t, detail=event.detail)
    stretches = (*_closed(track.stretches, event.t), begun)[-MOST_STRETCHES:]
    return msgspec.structs.replace(track, stretches=stretches)


def _ended(track: Track, event: SessionEnded) -> Track:
    end = event.t or event.record.ended_at
    stretches = _closed(track.stretches, end)
    return msgspec.structs.replace(track, stretches=stretches, diff=event.diff)


def _closed(stretches: tuple[Stretch, ...], end: datetime) -> tuple[Stretch, ...]:
    """The last one ends now, if it has not ended; it never ends before it began."""
    if not stretches or stretches[-1].ended is not None:
        return stretches
    last = stretches[-1]
    return (*stretches[:-1], msgspec.structs.replace(last, ended=max(end, last.began)))


def _until(stretches: tuple[Stretch, ...], end: datetime) -> tuple[Stretch, ...]:
    """What there was of them by then."""
    return tuple(
        msgspec.structs.replace(each, ended=min(each.ended or end, end))
        for each in stretches
        if each.began <= end
    )


def _recorded(record: SessionRecord, track: Track | None) -> Span:
    stretches = () if track is None else _closed(track.stretches, record.ended_at)
    if (
        reason_kind(record.reason) is Reason.INTERRUPTED
    ):  # its work is kept when the run is resumed, hours later
        stretches = _until(stretches, record.ended_at)
    ended = max((record.ended_at, *(each.ended for each in stretches[-1:] if each.ended is not None)))
    return Span(
        seq=record.seq,
        prompt=record.prompt,
        began=min(record.started_at, ended),
        ended=ended,
        status=record.status,
        landed=record.commit is not None,
        rescued=bool(record.rescue),
        waited_s=record.waited_s,
        stretches=stretches,
    )


def _flying(flight: Flight, track: Track | None) -> Span | None:
    began, known = flight.started_at, track_of(flight, track)
    if began is None:
        return None
    stretches = () if known is None else known.stretches
    ended = _last_sign(flight, known) if flight.cut_short else None
    return Span(seq=flight.seq, prompt=flight.prompt, began=began, ended=ended, stretches=stretches)


def track_of(flight: Flight, track: Track | None) -> Track | None:
    """What events said of a session in flight; one that was cut short has done nothing since it was last heard of."""
    end = _last_sign(flight, track)
    if track is None or end is None or not flight.cut_short:
        return track
    return msgspec.structs.replace(track, stretches=_closed(track.stretches, end))


def _last_sign(flight: Flight, track: Track | None) -> datetime | None:
    phases = () if track is None else (each.began for each in track.stretches)
    return max((at for at in (flight.started_at, flight.step_at, *phases) if at is not None), default=None)
