"""The top of a run's screen: its state in words, a gauge for each budget, subscriptions; pure (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.condition import Condition
from pitboss.core.embed import one_line
from pitboss.core.gauges import Budget, gauge_words, time_left
from pitboss.core.tone import Tone
from pitboss.core.words.quotas import window_words, windows
from pitboss.screens.output import Ink
from pitboss.screens.tones import TONE_INK
from pitboss.screens.tui.pieces import Piece, length

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from pitboss.core.gauges import Gauge
    from pitboss.core.measures import ClockFace
    from pitboss.core.quota import Quota
    from pitboss.core.words.run_state import Said

BAR = 10
_MARKS = {Tone.ACTIVE: "●", Tone.OK: "✓", Tone.WARN: "◐", Tone.BAD: "✗", Tone.QUIET: "○"}
_GAP = "   "


def headline(said: Said, condition: Condition, run_id: str, width: int) -> list[Piece]:
    """`● live  session 12 of 40`, with the run's id at the right edge."""
    ink = TONE_INK[said.tone]
    text = one_line(said.text)
    if condition is Condition.LIVE:
        left = [Piece(f"{_MARKS[said.tone]} live  ", ink), Piece(text, Ink.STRONG)]
    else:
        left = [Piece(f"{_MARKS[said.tone]} {text}", ink)]
    room = width - length(left) - len(run_id)
    return [*left, Piece(" " * room), Piece(run_id, Ink.FAINT)] if room > 0 else left


def gauge_lines(gauges: Iterable[Gauge], clock: ClockFace, width: int, *, live: bool) -> list[list[Piece]]:
    """All gauges that say something, as many in a line as fit; time only goes by while a run is live."""
    shown = [
        gauge for gauge in gauges if not gauge.says_nothing and (live or gauge.budget is not Budget.TIME)
    ]
    return flowed([_gauge(gauge, clock) for gauge in shown], width)


def quota_lines(
    quotas: Mapping[str, Quota], clock: ClockFace, now: datetime, width: int
) -> list[list[Piece]]:
    """`claude_code 5-hour 62% until 03:10, 7-day 12%`, as many agents in a line as fit."""
    parts = []
    for agent, quota in sorted(quotas.items()):
        part = [Piece(agent, Ink.FAINT)]
        for use in windows(quota, now):
            ink = None if use.tone is Tone.OK else TONE_INK[use.tone]
            part.append(Piece(f" {window_words(use, clock)}", ink))
        parts.append(part)
    return flowed(parts, width)


def _gauge(gauge: Gauge, clock: ClockFace) -> list[Piece]:
    words = gauge_words(gauge, clock)
    share = gauge.share
    if share is None:
        return [Piece(words)]
    if gauge.budget is Budget.TIME:
        words = f"{words}, {time_left(gauge)}"
    full = min(max(round(share * BAR), 1 if share > 0 else 0), BAR)
    ink = TONE_INK[gauge.tone]
    return [
        Piece("━" * full, ink),
        Piece("─" * (BAR - full), Ink.FAINT),
        Piece(f" {words}", _loud(gauge.tone)),
    ]


def _loud(tone: Tone) -> Ink | None:
    return TONE_INK[tone] if tone in (Tone.WARN, Tone.BAD) else None


def flowed(parts: Sequence[list[Piece]], width: int) -> list[list[Piece]]:
    """The parts in as few lines as they take."""
    lines: list[list[Piece]] = []
    for part in parts:
        if lines and length(lines[-1]) + len(_GAP) + length(part) <= width:
            lines[-1] += [Piece(_GAP), *part]
        else:
            lines.append(list(part))
    return lines
