"""The lanes of a run over its night, drawn with marks that need no color; pure (SPEC 10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.axis import round_step, round_times
from pitboss.core.events import Phase
from pitboss.core.measures import duration
from pitboss.core.session import SessionStatus
from pitboss.core.tone import SESSION_TONES
from pitboss.screens.output import Ink
from pitboss.screens.tones import TONE_INK
from pitboss.screens.tui.pieces import Piece, fitted
from pitboss.screens.tui.rows import place

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pitboss.core.measures import ClockFace
    from pitboss.core.timeline import Lane, Span

_NAME_WIDTH = 10
_TICK_GAP = 5
_BRIEF_S = 1800.0
_IDLE = ("·", Ink.FAINT)
_PHASES = {
    Phase.WAIT: ("░", Ink.WARN),
    Phase.VERIFY: ("▒", Ink.NAME),
    Phase.FIX: ("▒", Ink.WARN),
}
LEGEND = (
    Piece("━", Ink.NAME),
    Piece(" agent  ", Ink.FAINT),
    Piece("░", Ink.WARN),
    Piece(" waits  ", Ink.FAINT),
    Piece("▒", Ink.NAME),
    Piece(" tests  ", Ink.FAINT),
    Piece("✓", Ink.GOOD),
    Piece(" landed  ", Ink.FAINT),
    Piece("✗", Ink.BAD),
    Piece(" failed  ", Ink.FAINT),
    Piece("◐", Ink.WARN),
    Piece(" rescued, skipped", Ink.FAINT),
)

_ENDS = "✓✗◐"

Mark = tuple[str, Ink | None]


class _Scale(NamedTuple):
    """From when to when the lanes go, and in how many cells."""

    begin: float
    end: float
    cells: int

    def at(self, moment: datetime) -> int:
        """The cell of a moment."""
        share = (moment.timestamp() - self.begin) / max(self.end - self.begin, 1.0)
        return min(max(int(share * self.cells), 0), self.cells - 1)


def night(lanes: Sequence[Lane], now: datetime, clock: ClockFace, width: int) -> list[list[Piece]]:
    """An axis, a line for each lane, and what the marks mean."""
    spans = [span for lane in lanes for span in lane.spans]
    cells = width - _NAME_WIDTH - 1
    if not spans or cells < 1:
        return []
    begin = min(span.began for span in spans).timestamp()
    end = max((span.ended or now) for span in spans).timestamp()
    scale = _Scale(begin, max(end, begin + 1.0), cells)
    drawn = [[*_name(lane.name), *_lane(lane, scale, now)] for lane in lanes]
    return [[*_name(""), *_axis(scale, spans[0].began, clock)], *drawn, [], list(LEGEND)]


def _name(name: str) -> list[Piece]:
    return [Piece(fitted(place(name), _NAME_WIDTH) + " ", Ink.FAINT)]


def _axis(scale: _Scale, example: datetime, clock: ClockFace) -> list[Piece]:
    """The ticks that fit, at their cells."""
    text, length = "", scale.end - scale.begin
    for after, words in _ticks(scale, example, clock).items():
        cell = int(after / length * scale.cells)
        if cell + len(words) < scale.cells:
            text = f"{text.ljust(cell)}╷{words}"
    return [Piece(fitted(text, scale.cells), Ink.FAINT)]


def _ticks(scale: _Scale, example: datetime, clock: ClockFace) -> dict[float, str]:
    """Round times, by how many seconds after the beginning; where all is short, when it began, and how long after."""
    length = scale.end - scale.begin
    begun = datetime.fromtimestamp(scale.begin, tz=example.tzinfo)
    first = {0.0: clock(begun)}
    step = round_step(length * (len(first[0.0]) + _TICK_GAP) / scale.cells)
    if length < _BRIEF_S:
        return first | {after: f"+{_brief(after)}" for after in round_times(0.0, length, step) if after}
    ahead = (begun.astimezone().utcoffset() or timedelta()).total_seconds()
    moments = round_times(scale.begin, scale.end, step, offset_s=ahead)
    found = {at - scale.begin: clock(datetime.fromtimestamp(at, tz=example.tzinfo)) for at in moments}
    return found or first


def _brief(seconds: float) -> str:
    """`30s`, `5m`, `1m30s`."""
    return duration(seconds).replace(".0s", "s").removesuffix("00s")


def _lane(lane: Lane, scale: _Scale, now: datetime) -> Iterable[Piece]:
    marks: list[Mark] = [_IDLE] * scale.cells
    for span in lane.spans:
        _draw(marks, span, scale, now)
    for span in lane.spans:
        if span.ended is not None and not span.landed and span.status is not SessionStatus.OK:
            marks[scale.at(span.ended)] = _end(span)  # where many share a cell, failures stay in sight
    return _joined(marks)


def _draw(marks: list[Mark], span: Span, scale: _Scale, now: datetime) -> None:
    first, last = scale.at(span.began), scale.at(span.ended or now)
    ink = Ink.NAME if span.status is None else TONE_INK[SESSION_TONES[span.status]]
    if marks[first][0] in _ENDS and last > first:
        first += 1  # the end of the session before stays in sight
    for cell in range(first, last + 1):
        marks[cell] = ("━", ink)
    for stretch in span.stretches:
        if stretch.phase in _PHASES:
            for cell in range(scale.at(stretch.began), scale.at(stretch.ended or now) + 1):
                marks[cell] = _PHASES[stretch.phase]
    number = str(span.seq)
    if last - first > len(number):
        for n, digit in enumerate(number):
            marks[first + n] = (digit, Ink.STRONG)
    marks[last] = _end(span)


def _end(span: Span) -> Mark:
    if span.status is None:
        return ("●", Ink.NAME) if span.ended is None else ("✗", Ink.BAD)
    if span.landed:
        return "✓", TONE_INK[SESSION_TONES[span.status]]
    if span.status.failed:
        return "✗", Ink.BAD
    return ("◐", Ink.WARN) if span.rescued or span.status is not SessionStatus.OK else ("━", Ink.GOOD)


def _joined(marks: Sequence[Mark]) -> list[Piece]:
    """Neighbours of one ink as one piece."""
    pieces: list[Piece] = []
    for mark, ink in marks:
        if pieces and pieces[-1].ink == ink:
            pieces[-1] = Piece(pieces[-1].text + mark, ink)
        else:
            pieces.append(Piece(mark, ink))
    return pieces
