"""Time zones by the names that programs print: tz database names, abbreviations, offsets (SPEC 6)."""

from __future__ import annotations

from datetime import timedelta, timezone, tzinfo

from pitboss.core.patterns import lazy_pattern

_ZONES_EAST = {
    **dict.fromkeys(("UTC", "GMT", "Z", "WET"), 0.0),
    **dict.fromkeys(("WEST", "BST", "CET"), 1.0),
    **dict.fromkeys(("CEST", "EET"), 2.0),
    **dict.fromkeys(("EEST", "MSK"), 3.0),
    **dict.fromkeys(("IST",), 5.5),
    **dict.fromkeys(("SGT", "HKT", "AWST"), 8.0),
    **dict.fromkeys(("JST", "KST"), 9.0),
    **dict.fromkeys(("AEST",), 10.0),
    **dict.fromkeys(("AEDT",), 11.0),
    **dict.fromkeys(("NZST",), 12.0),
    **dict.fromkeys(("NZDT",), 13.0),
    **dict.fromkeys(("BRT",), -3.0),
    **dict.fromkeys(("EDT",), -4.0),
    **dict.fromkeys(("EST", "CDT"), -5.0),
    **dict.fromkeys(("CST", "MDT"), -6.0),
    **dict.fromkeys(("MST", "PDT"), -7.0),
    **dict.fromkeys(("PST", "AKDT"), -8.0),
    **dict.fromkeys(("AKST",), -9.0),
    **dict.fromkeys(("HST",), -10.0),
}
"""Hours east of UTC. Where two zones share an abbreviation, the one with more users of these CLIs."""

_WITH_SUMMER_TIME = {
    "PT": "America/Los_Angeles",
    "MT": "America/Denver",
    "CT": "America/Chicago",
    "ET": "America/New_York",
}
_PLACE = r"(?<![\w./:])[A-Z][A-Za-z]+(?:/[A-Z][\w+\-]{1,30}){1,2}"
_NAMED = lazy_pattern(
    rf"(?P<place>{_PLACE})"
    r"|(?:\b(?:UTC|GMT)\s?|(?<![\w:]))(?P<sign>[+\-\u2212])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?(?![\d:])"
    rf"|\b(?P<short>{'|'.join((*_ZONES_EAST, *_WITH_SUMMER_TIME))})\b(?!\s?[+\-\u2212]\d)"
)


class UnknownZone(ValueError):
    """The words name an unknown zone."""


def zone_in(words: str) -> tzinfo | None:
    """The first zone that `words` name; None when they name none.

    Raises UnknownZone for a place that is not in the tz database, or if there is no such database.
    """
    found = _NAMED.search(words)
    if found is None:
        return None
    if found["place"]:
        return _placed(found["place"])
    if found["short"]:
        return _abbreviated(found["short"])
    east = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
    if east >= timedelta(hours=24):
        raise UnknownZone(found[0])
    return timezone(east if found["sign"] == "+" else -east)


def _abbreviated(name: str) -> tzinfo:
    if name in _WITH_SUMMER_TIME:
        return _placed(_WITH_SUMMER_TIME[name])
    return timezone(timedelta(hours=_ZONES_EAST[name]))


def _placed(name: str) -> tzinfo:
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UnknownZone(name) from error
