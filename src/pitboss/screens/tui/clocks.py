"""How the TUI writes times: local, and short, because rows are narrow; pure but for the time zone."""

from __future__ import annotations

from datetime import datetime, timedelta

_SOON = timedelta(hours=20)
_THIS_WEEK = timedelta(days=6)


def short(moment: datetime, now: datetime) -> str:
    """`03:10` within most of a day, `Tue 03:10` within a week, else `2026-04-30 03:10`."""
    local = moment.astimezone()
    apart = abs(moment - now)
    if apart < _SOON:
        return f"{local:%H:%M}"
    return f"{local:%a %H:%M}" if apart < _THIS_WEEK else f"{local:%Y-%m-%d %H:%M}"
