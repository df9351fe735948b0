"""The night as bars: where in a lane a session, a wait, a run of the tests or a landing is drawn (SPEC 10)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.events import Phase
from pitboss.core.measures import duration
from pitboss.core.timeline import lanes
from pitboss.core.tone import SESSION_TONES, Tone
from pitboss.core.words.phases import CUT_SHORT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pitboss.core.timeline import Lane, Span
    from pitboss.store.follow import Snapshot

WIDTH = 1000.0
"""How many units wide a lane is; the browser stretches it."""

_THIN = 1.5
_MARKED = (Phase.WAIT, Phase.VERIFY, Phase.FIX, Phase.LAND)


class DrawnSpan(msgspec.Struct, frozen=True, kw_only=True):
    """A rectangle of a lane, in units. A bar without `seq` stands for several sessions too short to tell apart."""

    x: float
    width: float
    tone: Tone
    label: str
    seq: int | None = None
    count: int = 1


class DrawnStretch(msgspec.Struct, frozen=True, kw_only=True):
    """A time inside a session in which no agent was at work."""

    x: float
    width: float
    phase: Phase


class DrawnLane(msgspec.Struct, frozen=True, kw_only=True):
    """One lane, drawn."""

    name: str
    bars: tuple[DrawnSpan, ...]
    marks: tuple[DrawnStretch, ...]


class Chart(msgspec.Struct, frozen=True, kw_only=True):
    """The night, drawn: from the first session to the last one, or to now."""

    began: datetime
    ended: datetime
    lanes: tuple[DrawnLane, ...]


def chart(seen: Snapshot, now: datetime) -> Chart | None:
    """What to draw of a run; None before its first session."""
    found = lanes(seen.records, seen.view.in_flight, seen.tracks)
    scale = night_scale(found, now)
    if scale is None:
        return None
    return Chart(began=scale.began, ended=scale.ended, lanes=tuple(drawn(lane, scale) for lane in found))


def night_scale(found: Iterable[Lane], now: datetime) -> Scale | None:
    """A scale on which all lanes fit; None if there is nothing in them."""
    spans = [span for lane in found for span in lane.spans]
    if not spans:
        return None
    return Scale(min(span.began for span in spans), max(span.ended or now for span in spans))


class Scale:
    """Turns times into places."""

    def __init__(self, began: datetime, ended: datetime) -> None:
        self.began = began
        self.ended = ended
        self._units_per_s = WIDTH / max((ended - began).total_seconds(), 1.0)

    def place(self, began: datetime, ended: datetime | None) -> tuple[float, float]:
        """Where a time begins and how wide it is; what has not ended reaches to the end."""
        x = max((began - self.began).total_seconds(), 0.0) * self._units_per_s
        end = min(((ended or self.ended) - self.began).total_seconds() * self._units_per_s, WIDTH)
        return round(x, 1), round(max(end - x, 0.5), 1)


def drawn(lane: Lane, scale: Scale) -> DrawnLane:
    """A lane on a scale."""
    marks = [mark for span in lane.spans for mark in _marks(span, scale)]
    return DrawnLane(
        name=lane.name, bars=tuple(_merged(_bar(span, scale) for span in lane.spans)), marks=tuple(marks)
    )


def _bar(span: Span, scale: Scale) -> DrawnSpan:
    x, width = scale.place(span.began, span.ended)
    took = f", {duration((span.ended - span.began).total_seconds())}" if span.ended is not None else ""
    flying, doing = (Tone.ACTIVE, "in flight") if span.ended is None else (Tone.BAD, CUT_SHORT)
    return DrawnSpan(
        x=x,
        width=width,
        tone=flying if span.status is None else SESSION_TONES[span.status],
        label=f"session {span.seq}, {span.prompt}: {span.status or doing}{took}",
        seq=span.seq,
    )


def _merged(bars: Iterable[DrawnSpan]) -> Iterator[DrawnSpan]:
    """Neighbours of one tone too thin to be seen alone become one bar, so that a lane never has more than a screen."""
    last: DrawnSpan | None = None
    for bar in bars:
        if last is not None and _one_with(last, bar):
            count = last.count + bar.count
            width = round(bar.x + bar.width - last.x, 1)
            last = DrawnSpan(x=last.x, width=width, tone=bar.tone, label=f"{count} sessions", count=count)
            continue
        if last is not None:
            yield last
        last = bar
    if last is not None:
        yield last


def _one_with(last: DrawnSpan, bar: DrawnSpan) -> bool:
    thin = bar.width < _THIN and (last.seq is None or last.width < _THIN)
    return thin and last.tone is bar.tone and bar.x - last.x - last.width < _THIN


def _marks(span: Span, scale: Scale) -> Iterator[DrawnStretch]:
    for stretch in span.stretches:
        ends = [each for each in (stretch.ended, span.ended) if each is not None]
        x, width = scale.place(stretch.began, min(ends, default=None))
        if stretch.phase in _MARKED and width >= _THIN:
            yield DrawnStretch(x=x, width=width, phase=stretch.phase)
