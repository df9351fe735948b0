"""How the web page writes what is not text yet: times, amounts, the words that all screens share (SPEC 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from markupsafe import Markup

from pitboss.core.embed import one_line
from pitboss.core.gauges import Budget, gauge_words
from pitboss.core.measures import age, duration, stamp, tokens
from pitboss.core.settling import in_words
from pitboss.core.tone import SESSION_TONES
from pitboss.core.words.phases import flight_tone, flight_words, phase_words
from pitboss.core.words.quotas import window_words, windows
from pitboss.screens.lines import cost_in_words, session_words
from pitboss.screens.output import local

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.gauges import Gauge
    from pitboss.core.session import SessionRecord
    from pitboss.core.view import Flight, View
    from pitboss.core.words.quotas import WindowUse


def clock(moment: datetime) -> str:
    """A time of day here, with the date if it is not today: `03:10`, `Nov 25 23:40`."""
    local = moment.astimezone()
    today = datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M" if local.date() == today else "%b %d %H:%M")


def clock_s(moment: datetime) -> str:
    """A time of day here, to the second."""
    return moment.astimezone().strftime("%H:%M:%S")


def size(count: int) -> str:
    """A number of bytes: `950 B`, `12 KB`, `3.4 MB`."""
    if count < 1000:
        return f"{count} B"
    return f"{count / 1000:.0f} KB" if count < 999_500 else f"{count / 1_000_000:.1f} MB"


def ago(moment: datetime) -> Markup:
    """How long ago a moment was, which the browser keeps true."""
    return _ticking("ago", moment, age(moment, datetime.now(UTC)))


def lasting(moment: datetime) -> Markup:
    """How long it has been going on since a moment, which the browser keeps true."""
    return _ticking("for", moment, duration((datetime.now(UTC) - moment).total_seconds()))


def _ticking(how: str, moment: datetime, text: str) -> Markup:
    tag = Markup('<time data-tick="{}" datetime="{}" title="{}">{}</time>')
    return tag.format(how, stamp(moment), local(moment), text)


def sentence(text: str) -> str:
    """`text` with a capital at its beginning."""
    return text[:1].upper() + text[1:]


def gauge_text(gauge: Gauge, view: View, live: object) -> str:
    """A gauge in words; time that goes by ticks."""
    if gauge.budget is Budget.TIME and gauge.until is None and live and view.started_at is not None:
        return lasting(view.started_at)
    return gauge_words(gauge, clock)


def quotas(view: View, now: datetime) -> Iterator[tuple[str, tuple[WindowUse, ...]]]:
    """Each agent's subscription windows, if it has told of any."""
    for agent, quota in sorted(view.quota.items()):
        if uses := windows(quota, now):
            yield agent, uses


def flight_amounts(flight: Flight) -> str:
    """Who works on a session in flight, where, and what it has used so far."""
    used = flight.tokens.input + flight.tokens.output
    cost = cost_in_words(flight.cost_usd, known=flight.cost_known)
    spent = (f"{tokens(used)} tokens", cost) if used or cost else ()
    return _joined(flight.agent, flight.model, flight.host, (flight.slot or "").rpartition("/")[2], *spent)


def record_amounts(record: SessionRecord, diff: DiffStat | None) -> str:
    """How long a session took, what it cost, how much it changed."""
    took = duration((record.ended_at - record.started_at).total_seconds())
    cost = cost_in_words(record.cost_usd, known=record.cost_known)
    return _joined(took, cost, None if diff is None else f"+{diff.added} -{diff.removed}")


def _joined(*texts: str | None) -> str:
    return " · ".join(text for text in texts if text)


FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "ago": ago,
    "clock": clock,
    "clock_s": clock_s,
    "duration": duration,
    "flight_amounts": flight_amounts,
    "flight_tone": flight_tone,
    "flight_words": lambda flight: flight_words(flight, clock),
    "gauge_text": gauge_text,
    "in_words": in_words,
    "lasting": lasting,
    "one_line": one_line,
    "phase_words": phase_words,
    "quotas": quotas,
    "record_amounts": record_amounts,
    "sentence": sentence,
    "size": size,
    "session_words": session_words,
    "tone": SESSION_TONES.__getitem__,
    "window_words": lambda use: window_words(use, clock),
}
"""What templates call."""
