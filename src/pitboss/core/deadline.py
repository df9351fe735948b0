"""`--until`: a moment as people write it, made an instant in UTC (SPEC 8)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_SPAN = re.compile(r"(?:(\d{1,4})h)?(?:(\d{1,5})m)?(?:(\d{1,6})s)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")


def parse_until(text: str, now: datetime) -> datetime:
    """Read RFC 3339, a time of day such as `23:30`, or a span such as `8h` or `1h30m`.

    `now` is aware; a time of day is the next one in its time zone. Raises ValueError saying what is accepted.
    """
    text = text.strip()
    span = _SPAN.fullmatch(text)
    clock = _CLOCK.fullmatch(text)
    try:
        if text and span:
            hours, minutes, seconds = (int(part or 0) for part in span.groups())
            return (now + timedelta(hours=hours, minutes=minutes, seconds=seconds)).astimezone(UTC)
        if clock:
            return _next_time_of_day(int(clock[1]), int(clock[2]), now)
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError("expected a time such as 2026-11-22T23:30:00Z, 23:30 or 8h")
    return moment.astimezone(UTC)


def _next_time_of_day(hour: int, minute: int, now: datetime) -> datetime:
    today = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    return (today if today > now else today + timedelta(days=1)).astimezone(UTC)
