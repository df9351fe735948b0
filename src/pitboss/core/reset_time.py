"""Reads from a CLI's words when a usage limit ends: a time of day, a date, a span, a zone (SPEC 6).

`resets 6:43am (Asia/Kolkata)`, `Resets Mon 12:00 AM`, `try again at Feb 3rd, 2026 5:56 PM`, `in 2 hours 5 minutes`,
`3 hours until reset`, `Retry-After: 7200`, `"resets_at": 1796100000`.
Words without a time, or with one that cannot be understood, give None: no run waits on a guess.
"""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.core.zones import UnknownZone, zone_in

if TYPE_CHECKING:
    from datetime import tzinfo

JUST_NOW_S = 120.0
"""A time of day this recent has just passed; one longer ago means tomorrow."""

LATELY_S = 2 * 24 * 3600.0
"""A date without a year this recent has just passed; one longer ago means next year."""

REACH = 100
"""How many characters may lie between a time and the word that announces it."""

_ANNOUNCED = lazy_pattern(
    r"\b(?:resets?(?:_at)?|resetting|renews?|refresh(?:es)?|unlocks?|lifts?|(?:try|retry|available|back) again|retry"
    r"|wait|available|come back|until|after"
    r"|(?:refreshed|unlocked|lifted|restored|replenished|resumes?|returns?|recovers?|continue|regain access|allowed"
    r"|(?:limit|quota|window) (?:ends|expires))(?=\s(?:at|by|from|in|on|within)\b))\b",
    re.IGNORECASE,
)
_WORDS = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_COUNTS = {"a": 1.0, "an": 1.0, "half a": 0.5, "half an": 0.5, **dict(zip(_WORDS, range(1, 13), strict=True))}
_AMOUNT = (
    rf"(?P<{{0}}>\d{{{{1,7}}}}(?:\.\d{{{{1,9}}}})?|\b(?:{'|'.join(_COUNTS)})\b)\s*"
    r"(?P<{1}>ms|milliseconds?|w(?:eeks?|ks?)?|d(?:ays?)?|h(?:ours?|rs?)?|m(?:in(?:ute)?s?)?|s(?:ec(?:ond)?s?)?)(?![a-z])"
)
_PART = lazy_pattern(_AMOUNT.format("count", "unit") + r"(?:\s|,|and\b)*", re.IGNORECASE)
_SPAN = lazy_pattern(
    r"\W*(?:(?:in|after|within|for|about|around|approximately|another)\b\W*)*"
    + _AMOUNT.format("first", "its"),
    re.IGNORECASE,
)
_BEFOREHAND = lazy_pattern(
    r"(?<![\d.:])(?P<span>\d.{0,40}?)\s*(?:(?:remaining|left|to go)\s+)?"
    r"(?:until|till|before)\s(?:[\w']+\s){0,3}resets?\b",
    re.IGNORECASE,
)
"""A span that comes before the word that announces it: `3 hours until reset`."""

_STOPWATCH = lazy_pattern(r"\W*(?:in|within)\s+(\d{1,3}):(\d\d)(?::(\d\d))?(?![\d:])", re.IGNORECASE)
_HEADER = lazy_pattern(
    r"\b(?:retry[-_ ]?after|resets?[-_](?:in|after))(?P<ms>[-_]m(?:illi)?s(?:econds)?)?(?:[-_]s(?:ec(?:ond)?s?)?)?"
    r"\"?\s*[:=]\s*\"?(?P<count>\d{1,10}(?:\.\d{1,9})?)(?![\d.]*\s*[a-z])",
    re.IGNORECASE,
)
"""A field of an answer or its header, which counts seconds if its name does not say otherwise."""

_STAMP = lazy_pattern(
    r"\W*(?:(?:time|at|on)\b\W*){0,2}(?P<seconds>[12]\d{9})(?P<ms>\d{3})?(?!\d)", re.IGNORECASE
)
"""Seconds or milliseconds since 1970."""

_UNITS_S = {"ms": 0.001, "w": 604800.0, "d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MONTH = rf"(?P<month>{'|'.join(_MONTHS)})[a-z]*\.?"
_DATES = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?P<year>20\d\d)(?P<mark>[-/.])(?P<number>\d\d?)(?P=mark)(?P<day>\d\d?)(?:T(?=\d)|\b)",
        rf"\b{_MONTH}\s+(?P<day>\d\d?)(?:st|nd|rd|th)?\b(?:,?\s+(?P<year>20\d\d)\b)?",
        rf"\b(?P<day>\d\d?)(?:st|nd|rd|th)?\.?\s+(?:of\s+)?{_MONTH}(?![a-z])(?:,?\s+(?P<year>20\d\d)\b)?",
    )
)
_WEEKDAY = lazy_pattern(
    r"\b(mon(?:days?)?|tue(?:s(?:days?)?)?|wed(?:nesdays?)?|thu(?:r(?:s(?:days?)?)?)?|fri(?:days?)?|sat(?:urdays?)?"
    r"|sun(?:days?)?)\b",
    re.IGNORECASE,
)
_TOMORROW = lazy_pattern(r"\b(day after )?tomorrow\b", re.IGNORECASE)
_CLOCK = lazy_pattern(
    r"(?<![\d:/.\-])(?:(?P<hour>\d\d?)(?::(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d+)?)?)?\s*(?P<half>[ap])\.?m\b\.?"
    r"|(?P<hour24>\d\d?):(?P<minute24>\d\d)(?::(?P<second24>\d\d)(?:\.\d+)?)?|\b(?P<word>noon|midnight)\b)",
    re.IGNORECASE,
)
_UNREADABLE = lazy_pattern(r"\d+[/.]\d+(?:[/.]\d+)?")
"""A date in numbers: there is no telling whether the day or the month comes first."""


def moment_in(words: str, now: float, zone: tzinfo | None = None) -> float | None:
    """When the limit that `words` report ends, in epoch seconds; None when they do not say.

    `now` is when they were said, in epoch seconds; `zone` applies to times without one (None: this machine's zone). A
    time of day or a day of the week means the next one; a date without a year, the next such date. A time that has
    only just passed is returned as it is.
    """
    if (field := _HEADER.search(words)) is not None:
        return now + float(field["count"]) / (1000 if field["ms"] else 1)
    for announced in _ANNOUNCED.finditer(words):
        following = words[announced.end() : announced.end() + REACH]
        try:
            found = _span_ahead(following, now)
            found = _moment(following, now, zone) if found is None else found
        except (UnknownZone, ValueError, OverflowError, OSError):
            return None
        if found is not None:
            return found
    before = _BEFOREHAND.search(words)
    return None if before is None else _span_ahead(before["span"], now)


def _span_ahead(words: str, now: float) -> float | None:
    """`in 2 hours 5 minutes`, `18h31m5s`, `in 4:12:30`: counted from now; a moment since 1970 as it is.

    Raises ValueError for `in 4:12`: there is no telling whether these are hours or minutes.
    """
    if (stamp := _STAMP.match(words)) is not None:
        return float(stamp["seconds"]) + float(stamp["ms"] or 0) / 1000
    if (watch := _STOPWATCH.match(words)) is not None:
        if watch[3] is None:
            raise ValueError(watch[0])
        return now + int(watch[1]) * 3600 + int(watch[2]) * 60 + int(watch[3])
    begun = _SPAN.match(words)
    if begun is None:
        return None
    seconds, at = 0.0, begun.start("first")
    while part := _PART.match(words, at):
        seconds += _seconds(part["count"].lower(), part["unit"].lower())
        at = part.end()
    return now + seconds


def _seconds(count: str, unit: str) -> float:
    number = _COUNTS.get(count)
    return (float(count) if number is None else number) * _UNITS_S[
        "ms" if unit.startswith(("ms", "milli")) else unit[0]
    ]


def _moment(words: str, now: float, zone: tzinfo | None) -> float | None:
    """A time of day, a date or day of the week, or both; midnight where only the day is given."""
    its_date, rest = _taken(words)
    clock = _CLOCK.search(rest)
    weekday = None if its_date else _WEEKDAY.search(rest)
    if clock is None and weekday is None and its_date is None:
        return None
    if its_date is None and _UNREADABLE.search(rest[: clock.start()] if clock else rest):
        return None
    at = time() if clock is None else _time(clock)
    before, behind = (rest, "") if clock is None else (rest[: clock.start()], rest[clock.end() :])
    zone = zone_in(f"{before} {behind}", behind) or zone
    today = datetime.fromtimestamp(now, zone).date()
    if its_date is not None:
        return _dated(its_date, at, now, zone)
    if weekday is not None:
        days = (_DAYS.index(weekday[1][:3].lower()) - today.weekday()) % 7
        return _next(today + timedelta(days=days), at, 7, now, zone)
    if tomorrow := _TOMORROW.search(rest):
        return _epoch(today + timedelta(days=2 if tomorrow[1] else 1), at, zone)
    return _next(today, at, 1, now, zone)


def _taken(words: str) -> tuple[re.Match[str] | None, str]:
    """The date in `words`, and what is left without it."""
    found = next(filter(None, (pattern.search(words) for pattern in _DATES)), None)
    return found, words if found is None else f"{words[: found.start()]} {words[found.end() :]}"


def _time(clock: re.Match[str]) -> time:
    """The time of day; raises ValueError for one that does not exist."""
    if clock["word"]:
        return time(12 if clock["word"].lower() == "noon" else 0)
    if clock["hour24"]:
        return time(int(clock["hour24"]) % 24, int(clock["minute24"]), int(clock["second24"] or 0))
    hour = int(clock["hour"])
    if not 1 <= hour <= 12:
        raise ValueError(clock[0])
    afternoon = clock["half"].lower() == "p"
    return time(hour % 12 + 12 * afternoon, int(clock["minute"] or 0), int(clock["second"] or 0))


def _dated(its_date: re.Match[str], at: time, now: float, zone: tzinfo | None) -> float | None:
    """The moment on a date; without a year, the first one that is not long past."""
    parts = its_date.groupdict()
    month = int(parts["number"]) if "number" in parts else _MONTHS.index(parts["month"].lower()) + 1
    day = int(parts["day"])
    if parts["year"]:
        return _epoch(date(int(parts["year"]), month, day), at, zone)
    this_year = datetime.fromtimestamp(now, zone).year
    moments = (
        _epoch(date(year, month, day), at, zone)
        for year in range(this_year - 1, this_year + 9)
        if day <= _days_in(year, month)
    )
    return next((moment for moment in moments if moment >= now - LATELY_S), None)


def _days_in(year: int, month: int) -> int:
    return (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day


def _next(day: date, at: time, step: int, now: float, zone: tzinfo | None) -> float:
    """`at` on `day`, or `step` days later if that is long past."""
    moments = (
        _epoch(day + timedelta(days=step * n), at.replace(fold=fold), zone) for n in (0, 1) for fold in (0, 1)
    )
    return next(moment for moment in moments if moment >= now - JUST_NOW_S)


def _epoch(day: date, at: time, zone: tzinfo | None) -> float:
    return datetime.combine(day, at, tzinfo=zone).timestamp()
