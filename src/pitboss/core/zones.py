"""Time zones by the names that programs print: tz database names, abbreviations, offsets, `Pacific Time` (SPEC 6)."""

from __future__ import annotations

from datetime import timedelta, timezone, tzinfo

from pitboss.core.patterns import lazy_pattern

_ZONES_EAST = {
    **dict.fromkeys(("UTC", "GMT", "Z", "WET"), 0.0),
    **dict.fromkeys(("WEST", "BST", "CET", "WAT"), 1.0),
    **dict.fromkeys(("CEST", "EET", "CAT", "SAST"), 2.0),
    **dict.fromkeys(("EEST", "MSK", "IDT", "EAT", "TRT"), 3.0),
    **dict.fromkeys(("GST",), 4.0),
    **dict.fromkeys(("PKT",), 5.0),
    **dict.fromkeys(("IST",), 5.5),
    **dict.fromkeys(("NPT",), 5.75),
    **dict.fromkeys(("ICT", "WIB"), 7.0),
    **dict.fromkeys(("SGT", "HKT", "AWST", "MYT", "PHT", "PHST", "WITA"), 8.0),
    **dict.fromkeys(("JST", "KST"), 9.0),
    **dict.fromkeys(("ACST",), 9.5),
    **dict.fromkeys(("AEST",), 10.0),
    **dict.fromkeys(("ACDT",), 10.5),
    **dict.fromkeys(("AEDT",), 11.0),
    **dict.fromkeys(("NZST",), 12.0),
    **dict.fromkeys(("NZDT",), 13.0),
    **dict.fromkeys(("NDT",), -2.5),
    **dict.fromkeys(("BRT", "ART", "UYT", "ADT"), -3.0),
    **dict.fromkeys(("NST",), -3.5),
    **dict.fromkeys(("EDT", "AST", "BOT"), -4.0),
    **dict.fromkeys(("EST", "CDT", "COT", "PET"), -5.0),
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
_SPELLED = {
    "pacific": "America/Los_Angeles",
    "mountain": "America/Denver",
    "central": "America/Chicago",
    "eastern": "America/New_York",
}
_PLACE = r"(?<![\w./:])[A-Z][A-Za-z]+(?:/[A-Z][\w+\-]{1,30}){1,2}"
_NAMED = lazy_pattern(
    rf"(?P<place>{_PLACE})"
    r"|(?:\b(?:UTC|GMT)\s?|(?<![\w:]))(?P<sign>[+\-\u2212])(?P<hours>\d{1,2})(?::?(?P<minutes>\d{2}))?(?![\d:])"
    rf"|\b(?P<short>{'|'.join((*_ZONES_EAST, *_WITH_SUMMER_TIME))})\b(?!\s?[+\-\u2212]\d)"
    r"|\b(?P<spelled>(?i:pacific|mountain|central|eastern))(?i: standard| daylight)?(?i: time)\b"
)
_BRACKETED = lazy_pattern(r"[(\[](?P<name>[A-Za-z][\w+\-]*(?:/[\w+\-]+){0,2})[)\]]")
_LIKE_A_ZONE = lazy_pattern(r"[A-Z]{2,5}|.*/.*")
_RIGHT_BEHIND = lazy_pattern(r"\s?(?P<name>[A-Z]{1,4}T)\b(?!-)")
"""What stands behind a time of day and can only be the name of a zone."""


class UnknownZone(ValueError):
    """The words name an unknown zone."""


def zone_in(words: str, behind: str = "") -> tzinfo | None:
    """The first zone that `words` name; None when they name none. `behind` is what follows the time of day in them.

    Raises UnknownZone for a name that is not in the tz database, or if there is no such database.
    """
    found = _NAMED.search(words)
    if found is None:
        strange = _RIGHT_BEHIND.match(behind)
        if strange is not None:
            raise UnknownZone(strange["name"])
        return _bracketed(words)
    if found["spelled"]:
        return _placed(_SPELLED[found["spelled"].lower()])
    if found["place"]:
        return _placed(found["place"])
    if found["short"]:
        return _abbreviated(found["short"])
    east = timedelta(hours=int(found["hours"]), minutes=int(found["minutes"] or 0))
    if east >= timedelta(hours=24):
        raise UnknownZone(found[0])
    return timezone(east if found["sign"] == "+" else -east)


def _bracketed(words: str) -> tzinfo | None:
    """A zone by any name of the tz database, in brackets: `(Singapore)`, `(EST5EDT)`, `[asia/tokyo]`."""
    from zoneinfo import available_timezones

    found = _BRACKETED.search(words)
    if found is None:
        return None
    name = next((zone for zone in available_timezones() if zone.lower() == found["name"].lower()), None)
    if name is None and _LIKE_A_ZONE.fullmatch(found["name"]):
        raise UnknownZone(found["name"])
    return None if name is None else _placed(name)


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
