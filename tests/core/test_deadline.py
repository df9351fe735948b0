"""`--until`: moments as people write them (SPEC 8)."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from pitboss.core.deadline import parse_until

NOW = datetime(2026, 11, 22, 22, 0, tzinfo=timezone(timedelta(hours=1)))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("8h", datetime(2026, 11, 23, 5, 0, tzinfo=UTC)),
        ("1h30m", datetime(2026, 11, 22, 22, 30, tzinfo=UTC)),
        ("90s", datetime(2026, 11, 22, 21, 1, 30, tzinfo=UTC)),
        (" 15m ", datetime(2026, 11, 22, 21, 15, tzinfo=UTC)),
        ("23:30", datetime(2026, 11, 22, 22, 30, tzinfo=UTC)),
        ("7:05", datetime(2026, 11, 23, 6, 5, tzinfo=UTC)),
        ("22:00", datetime(2026, 11, 23, 21, 0, tzinfo=UTC)),
        ("2026-11-22T23:30:00Z", datetime(2026, 11, 22, 23, 30, tzinfo=UTC)),
        ("2026-11-23T01:30:00+02:00", datetime(2026, 11, 22, 23, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_an_instant_in_utc(text: str, moment: datetime) -> None:
    assert parse_until(text, NOW) == moment
    assert parse_until(text, NOW).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    [
        *("", "soon", "25:00", "8", "h", "-3h"),
        *(
            "2026-11-22T23:30:00",
            "2026-13-01T00:00:00Z",
            "9999-12-31T23:59:59-05:00",
            "0001-01-01T00:00:00+01:00",
        ),
    ],
)
def test_anything_else_is_told_what_is_accepted(text: str) -> None:
    with pytest.raises(ValueError, match="expected a time such as"):
        parse_until(text, NOW)


BERLIN = ZoneInfo("Europe/Berlin")
"""Where clocks are set back at three on the 25th of October 2026, and forward at two on the 29th of March."""


@pytest.mark.parametrize(
    ("now", "text", "moment"),
    [
        ("2026-10-24T22:00", "6:30", datetime(2026, 10, 25, 5, 30, tzinfo=UTC)),
        ("2026-03-28T22:00", "6:30", datetime(2026, 3, 29, 4, 30, tzinfo=UTC)),
        ("2026-10-25T01:00", "2:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25T02:45", "2:30", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-10-24T22:00", "8h", datetime(2026, 10, 25, 4, 0, tzinfo=UTC)),
    ],
)
def test_a_time_of_day_is_that_of_the_clocks_also_when_they_are_changed(
    now: str, text: str, moment: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert parse_until(text, datetime.fromisoformat(now).replace(tzinfo=BERLIN)) == moment
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        assert parse_until(text, datetime.fromisoformat(now)) == moment
    finally:
        monkeypatch.undo()
        time.tzset()
