"""Lines about a session or a run, the same in `log`, `status` and the progress of `grind` (SPEC 8).

What is empty is left out: no tokens, no cost, no commit.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TextIO

from pitboss.core.embed import one_line, up_to_a_word
from pitboss.core.gauges import gauge_words
from pitboss.core.measures import duration, spent, tokens
from pitboss.core.settling import in_words
from pitboss.core.tone import SESSION_TONES
from pitboss.screens.output import Ink, clock, clock_face, paint, width_of
from pitboss.screens.program import as_called
from pitboss.screens.tones import TONE_INK, paint_tone

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.core.gauges import Gauge
    from pitboss.core.needs import Need
    from pitboss.core.session import InFlight, SessionRecord

SUMMARY_WIDTH = 100
_STATUS_WIDTH = len("skipped")
_INDENT = "  "


def session_lines(record: SessionRecord, stream: TextIO | None = None, *, before: str = "") -> list[str]:
    """Who, how it ended, how long, how much, where it landed, and its first words.

    One line, after `before`; on a terminal too narrow for that, the words get a line of their own, and `before`
    moves there too if it must.
    """
    stream = stream or sys.stdout
    cells = _cells(record)
    plain = " ".join(text for text, _ in cells)
    head = " ".join(paint(text, ink, stream) if ink else text for text, ink in cells)
    words, width = session_words(record), width_of(stream)
    if width is None or len(before) + len(plain) + len(words) + 2 < width:
        return [" ".join(filter(None, (before, head, words))).rstrip()]
    if before and len(before) + len(plain) + 1 < width:
        head, before = f"{before} {head}", ""
    below = " ".join(filter(None, (before, words)))
    return [head.rstrip(), _INDENT + up_to_a_word(below, width - len(_INDENT) - 1)] if below else [head]


def _cells(record: SessionRecord) -> list[tuple[str, Ink | None]]:
    used = record.tokens.input + record.tokens.output
    cells: list[tuple[str, Ink | None]] = [
        (f"session-{record.seq:04}", Ink.FAINT),
        (str(record.status).ljust(_STATUS_WIDTH), TONE_INK[SESSION_TONES[record.status]]),
        (f"{with_queued(record.prompt, record.queued):<12}", Ink.STRONG),
        (f"{duration((record.ended_at - record.started_at).total_seconds()):>6}", None),
    ]
    if used:
        cells.append((f"{tokens(used):>6} tok", None))
    if cost := cost_in_words(record.cost_usd, known=record.cost_known):
        cells.append((f"{cost:>8}", None))
    if record.commit:
        cells.append((one_line(record.commit)[:7], Ink.FAINT))
    return cells


def with_queued(prompt: str, queued: str | None) -> str:
    """A prompt's name, on one line; that of a task from the queue says so."""
    return one_line(prompt) + (" (queued)" if queued else "")


def cost_in_words(usd: float, *, known: bool) -> str:
    """What something cost: `$1.23`, `cost unknown`, or empty if it was free."""
    cost = spent(usd, known=known)
    return "" if known and not usd else cost.replace("unknown", "cost unknown")


def log_lines(record: SessionRecord) -> list[str]:
    """A session's lines with the time it ended, as `log` and `status` print them."""
    return session_lines(record, before=clock(record.ended_at))


def need_lines(need: Need, stream: TextIO | None = None) -> list[str]:
    """What needs a person and why, and below it the command to paste."""
    why = f": {need.why}" if need.why else ""
    command = as_called(need.command, stream or sys.stdout)
    return [f"{paint_tone(need.what, need.kind.tone, stream)}{why}", f"{_INDENT}{command}"]


def named(sessions: Iterable[InFlight]) -> str:
    """Sessions in flight by number and prompt, on one line."""
    return ", ".join(f"session-{s.seq:04} ({one_line(s.assignment.prompt)})" for s in sessions)


def budget_parts(gauges: Iterable[Gauge], stream: TextIO | None = None) -> list[str]:
    """What a run consumed, each amount beside its cap, if any."""
    face = clock_face(stream)
    return [gauge_words(gauge, face) for gauge in gauges if not gauge.says_nothing]


def session_words(record: SessionRecord) -> str:
    """Why a session failed and the first line of its summary, unless one repeats the other."""
    said = _reason_and_summary(record)
    return f"{said} ({one_line(record.hidden)})" if record.hidden else said


def _reason_and_summary(record: SessionRecord) -> str:
    """The summary, after a failure's reason, unless one of them repeats the other."""
    summary = one_line((record.summary or "").strip().partition("\n")[0], SUMMARY_WIDTH)
    reason = one_line(in_words(record.reason or ""), SUMMARY_WIDTH)
    if not reason or summary == reason:
        return summary
    if reason.endswith(summary):
        return reason
    return f"[{reason}] {summary}".rstrip()
