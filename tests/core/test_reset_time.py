"""Times as CLIs write them, in every zone and form (SPEC 6)."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.reset_time import JUST_NOW_S, moment_in
from pitboss.core.zones import UnknownZone, zone_in

NOW = datetime(2026, 11, 26, 1, 30, 20, tzinfo=UTC)  # a Thursday
DAY_S = 24 * 3600.0


def told(words: str, now: datetime = NOW, zone: timezone | ZoneInfo = UTC) -> str | None:
    """The moment as UTC to the second, without what is the same as in `now`."""
    moment = moment_in(words, now.timestamp(), zone)
    return None if moment is None else f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S}"


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("You've hit your limit · resets 8am (Europe/London)", "2026-11-26 08:00:00"),
        ("You've hit your session limit · resets 6:43am (Asia/Kolkata)", "2026-11-27 01:13:00"),
        ("You've hit your session limit · resets 7:43am (Asia/Kolkata)", "2026-11-26 02:13:00"),
        ("resets 12am (America/Los_Angeles)", "2026-11-26 08:00:00"),
        ("resets 12pm (Pacific/Auckland)", "2026-11-26 23:00:00"),
        ("Your limit will reset at 1pm (Etc/GMT+5).", "2026-11-26 18:00:00"),
        ("5-hour limit reached ∙ resets 3pm", "2026-11-26 15:00:00"),
        ("resets 3pm · /upgrade to increase your usage limit", "2026-11-26 15:00:00"),
        ("resets 3 p.m. and no sooner", "2026-11-26 15:00:00"),
        ("resets 3pm. More: https://example.org/limits/Usage or and/or", "2026-11-26 15:00:00"),
        ("resets at 23:05", "2026-11-26 23:05:00"),
        ("resets at 01:05:30", "2026-11-27 01:05:30"),
        ("available again at midnight (America/Argentina/Buenos_Aires)", "2026-11-26 03:00:00"),
        ("try again tomorrow at noon", "2026-11-27 12:00:00"),
        ("try again tomorrow at 1am", "2026-11-27 01:00:00"),
        ("resets the day after tomorrow at 9am", "2026-11-28 09:00:00"),
        ("resets 2pm (Singapore)", "2026-11-26 06:00:00"),
        ("resets 2pm (EST5EDT)", "2026-11-26 19:00:00"),
        ("resets 2pm [asia/tokyo]", "2026-11-26 05:00:00"),
        ("resets 2pm (PKT)", "2026-11-26 09:00:00"),
        ("resets 2pm Pacific Standard Time", "2026-11-26 22:00:00"),
        ("resets 2pm (local time)", "2026-11-26 14:00:00"),
        ("resets 2pm (today)", "2026-11-26 14:00:00"),
        ("Your limit will be restored at 5am", "2026-11-26 05:00:00"),
        ("You will regain access on 2026-12-01 at 00:00 UTC.", "2026-12-01 00:00:00"),
        ("Upgrade to continue, or try again at 5pm", "2026-11-26 17:00:00"),
    ],
)
def test_a_time_of_day_is_the_next_one_in_its_zone(words: str, moment: str) -> None:
    assert told(words) == moment


@pytest.mark.parametrize(
    ("words", "moment"),
    [
        ("resets Dec 9, 5am (Asia/Tokyo)", "2026-12-08 20:00:00"),
        ("resets May 5 at 9pm (America/New_York)", "2027-05-06 01:00:00"),
        ("resets January 2nd", "2027-01-02 00:00:00"),
        ("try again at Feb 3rd, 2027 5:56 PM", "2027-02-03 17:56:00"),
        ("resets 9 Dec at 14:30 +0530", "2026-12-09 09:00:00"),
        ("resets Feb 29", "2028-02-29 00:00:00"),
        ("resets Nov 25, 5am", "2026-11-25 05:00:00"),
        ("resets Nov 23, 5am", "2027-11-23 05:00:00"),
        ("resets 2026-11-27T14:00:00Z", "2026-11-27 14:00:00"),
        ("resets on 2026-11-27 14:00 UTC+2", "2026-11-27 12:00:00"),
        ("resets 2026-11-27", "2026-11-27 00:00:00"),
        ("Resets Mon 12:00 AM", "2026-11-30 00:00:00"),
        ("resets Thursday, 3:00 PM ET", "2026-11-26 20:00:00"),
        ("resets Thu 1am", "2026-12-03 01:00:00"),
        ("resets Sunday", "2026-11-29 00:00:00"),
        ("resets Wed 9pm (Asia/Tokyo)", "2026-12-02 12:00:00"),
        ("resets Wednesdays at 5am", "2026-12-02 05:00:00"),
        ("resets 2026/12/01 05:00", "2026-12-01 05:00:00"),
    ],
)
def test_a_day_is_the_nearest_ahead(words: str, moment: str) -> None:
    assert told(words) == moment


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("resets in 3 hours", 3 * 3600),
        ("Try again in 3 days 4 hours 12 minutes.", 3 * DAY_S + 4 * 3600 + 12 * 60),
        ("Your quota will reset after 18h31m5s.", 18 * 3600 + 31 * 60 + 5),
        ("Please retry in 17.9s", 17.9),
        ("wait about an hour and 5 min before that", 3900),
        ("resets in ~95 min.", 95 * 60),
        ("retry in 2500 ms, 1 second", 3.5),
        ("resets in 1 week", 7 * DAY_S),
        ("resets in 2 hours (5:30 PM)", 7200),
        ("resets in two hours", 7200),
        ("resets in half an hour", 1800),
        ("resets in 4:12:30", 4 * 3600 + 12 * 60 + 30),
        ("limit reached, 3h 5m remaining until reset", 3 * 3600 + 300),
        ("2 days, 3 hours until your limit resets", 2 * DAY_S + 3 * 3600),
        ("429; Retry-After: 7200", 7200),
        ('{"type":"usage_limit_reached","resets_in_seconds":1234}', 1234),
        ("retry-after-ms=1500", 1.5),
        ('{"plan_type":"plus","resets_at":1796100000}', 1796099000),
        ("resets at 1796100000500.", 1796099000.5),
    ],
)
def test_a_span_counts_from_when_it_was_said(words: str, seconds: float) -> None:
    assert moment_in(words, 1000.0) == pytest.approx(1000.0 + seconds)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "You've hit your org's monthly usage limit",
        "your limit of 5 hours is used up",
        "resets soon",
        "resets 10/9, 5am",
        "resets 5am (Mars/Phobos)",
        "resets 5am UTC+99",
        "resets 5am (XYZT)",
        "resets 5am (QQQ)",
        "resets 5am WXT",
        "resets in 4:12",
        "Not allowed, see page 5",
        "resets 17:61",
        "resets 13pm",
        "resets Nov 31 2026",
        "resets Feb 31",
        "resets 8",
        "wait a few minutes",
        "retry after 5",
        f"resets {'so much later ' * 20} at 5pm",
    ],
)
def test_words_that_tell_no_time_tell_none(words: str) -> None:
    assert told(words) is None


@pytest.mark.parametrize(
    ("now", "moment"),
    [
        ("2026-11-26T06:43:59", "2026-11-26 06:43:00"),
        ("2026-11-26T06:45:00", "2026-11-26 06:43:00"),
        ("2026-11-26T06:45:01", "2026-11-27 06:43:00"),
        ("2026-11-26T06:42:59", "2026-11-26 06:43:00"),
    ],
)
def test_a_time_that_is_only_just_over_is_not_tomorrows(now: str, moment: str) -> None:
    assert told("resets 6:43am", datetime.fromisoformat(now).replace(tzinfo=UTC)) == moment


@pytest.mark.parametrize(
    ("words", "now", "moment"),
    [
        # Clocks go back at 3:00 on 2026-10-25: 2:30 comes twice.
        ("resets 2:30am", "2026-10-25T00:00:00", "2026-10-25 00:30:00"),
        ("resets 2:30am", "2026-10-25T00:45:00", "2026-10-25 01:30:00"),
        ("resets 2:30am", "2026-10-25T02:00:00", "2026-10-26 01:30:00"),
        # Clocks go forward at 2:00 on 2026-03-29: 2:30 never comes.
        ("resets 2:30am", "2026-03-29T00:00:00", "2026-03-29 01:30:00"),
        ("resets Mon 12:00 AM", "2026-10-23T12:00:00", "2026-10-25 23:00:00"),
    ],
)
def test_summer_time_ends_and_begins(words: str, now: str, moment: str) -> None:
    assert told(words, datetime.fromisoformat(now).replace(tzinfo=UTC), ZoneInfo("Europe/Berlin")) == moment


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="no way to change the zone of this process")
def test_without_a_zone_it_is_this_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        moment = moment_in("resets 6pm", NOW.timestamp())
    finally:
        monkeypatch.undo()
        time.tzset()
    assert moment == datetime(2026, 11, 26, 9, tzinfo=UTC).timestamp()


@given(
    st.floats(0, 4e9),
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from(["UTC", "Asia/Kathmandu", "US/Pacific"]),
)
def test_a_time_of_day_is_never_more_than_a_day_ahead(now: float, hour: int, minute: int, zone: str) -> None:
    moment = moment_in(f"resets {hour:02}:{minute:02} ({zone if zone != 'UTC' else 'UTC'})", now)
    assert moment is not None
    assert now - JUST_NOW_S <= moment <= now + DAY_S + 3600


_PIECES = "resets in 5am 12:30 ( ) Mon Feb 31 0 99 99999999 w UTC +9 Asia/Tokyo . - T"


@given(st.text() | st.lists(st.sampled_from(_PIECES.split())).map(" ".join))
def test_no_words_are_an_exception(words: str) -> None:
    moment_in(words, NOW.timestamp(), UTC)
    moment_in(f"resets {words}", NOW.timestamp(), UTC)


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ("5am UTC", 0),
        ("5am Z", 0),
        ("GMT-7", -7),
        ("UTC +5:30", 5.5),
        ("+0900", 9),
        ("at \u221203:00", -3),
        ("IST", 5.5),
    ],
)
def test_zones_by_letters_and_offsets(words: str, hours: float) -> None:
    assert zone_in(words) == timezone(timedelta(hours=hours))


def test_places_are_those_of_the_tz_database() -> None:
    assert zone_in("5am (Asia/Kolkata)") == ZoneInfo("Asia/Kolkata")
    assert zone_in("5am PT") == ZoneInfo("America/Los_Angeles")
    assert zone_in("5am, sharp, on floor 3-4") is None
    for unknown in ("Mars/Phobos", "+24:00", f"A{'a' * 20}/B{'b' * 30}"):
        with pytest.raises(UnknownZone):
            zone_in(unknown)


def test_a_moment_beyond_all_calendars_is_none() -> None:
    assert moment_in("resets in 9999999 weeks", NOW.timestamp()) is not None
    assert moment_in("resets 5pm", sys.float_info.max) is None
