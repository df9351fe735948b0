"""`--until`: turns a time as people write it into an instant in UTC (SPEC 8)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pitboss.core.patterns import lazy_pattern

_SPAN = lazy_pattern(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?")
_DAYS = lazy_pattern(r"(\d{1,5})d")
_CLOCK = lazy_pattern(r"(\d{1,2}):(\d{2})")


def parse_span(text: str) -> float | None:
    """Read a span (`8h`, `1h30m`) as seconds; None when it is not a span."""
    span = _SPAN.fullmatch(text.strip())
    if span is None or not text.strip():
        return None
    hours, minutes, seconds = (int(part or 0) for part in span.groups())
    return hours * 3600.0 + minutes * 60.0 + seconds


def parse_age(text: str) -> float | None:
    """Read how long ago something was (`30d`, `12h`, `1h30m`) as seconds; None when it is no such span."""
    days = _DAYS.fullmatch(text.strip())
    return parse_span(text) if days is None else int(days[1]) * 86_400.0


def parse_until(text: str, now: datetime) -> datetime:
    """Read RFC 3339, a time of day (`23:30`) or a span (`8h`, `1h30m`).

    A time of day means the next one in the zone of `now`, or on this machine's clocks if that has none: a zone that
    is only an offset knows no change of the clocks. The ValueError says what is accepted.
    """
    text = text.strip()
    span = parse_span(text)
    clock = _CLOCK.fullmatch(text)
    try:
        if span is not None:
            return now.astimezone(UTC) + timedelta(seconds=span)
        if clock:
            return _next_time_of_day(int(clock[1]), int(clock[2]), now)
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("expected a time such as 2026-11-22T23:30:00Z, 23:30 or 8h")


def _next_time_of_day(hour: int, minute: int, now: datetime) -> datetime:
    today = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    # Where clocks are set back, the same time comes twice.
    moments = (
        (today + timedelta(days=days)).replace(fold=fold).astimezone(UTC)
        for days in (0, 1)
        for fold in (0, 1)
    )
    return next(moment for moment in moments if moment > now.astimezone(UTC))
