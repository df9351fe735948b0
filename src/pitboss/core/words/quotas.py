"""What an agent says about its subscription's windows, in words (SPEC 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.budget import NEARING_SHARE
from pitboss.core.tone import Tone

if TYPE_CHECKING:
    from pitboss.core.measures import ClockFace
    from pitboss.core.quota import Quota, QuotaWindow


class WindowUse(msgspec.Struct, frozen=True, kw_only=True):
    """One window of a subscription: its name, the share used, and until when, if it is not over already.

    `used` is None when the window has been renewed since the agent reported it.
    """

    name: str
    used: float | None
    until: datetime | None = None

    @property
    def tone(self) -> Tone:
        """Bad when it is used up, a warning from 80 % on."""
        if self.used is None or self.used < NEARING_SHARE:
            return Tone.OK
        return Tone.BAD if self.used >= 1.0 else Tone.WARN


def windows(quota: Quota, now: datetime) -> tuple[WindowUse, ...]:
    """The windows that an agent has reported, shortest first."""
    named = (("5-hour", quota.five_hour), ("7-day", quota.seven_day), ("other", quota.other))
    return tuple(_use(name, window, now.timestamp()) for name, window in named if window is not None)


def window_words(use: WindowUse, clock: ClockFace) -> str:
    """`5-hour 62% until 03:10`, `7-day renewed`."""
    if use.used is None:
        return f"{use.name} renewed"
    until = "" if use.until is None else f" until {clock(use.until)}"
    return f"{use.name} {use.used:.0%}{until}"


def _use(name: str, window: QuotaWindow, now: float) -> WindowUse:
    if window.resets_at is not None and window.resets_at <= now:
        return WindowUse(name=name, used=None)
    from pitboss.core.retry import limit_ahead  # most agents report no window

    end = limit_ahead(window.resets_at, now)
    until = None if end is None else datetime.fromtimestamp(end, tz=UTC)
    return WindowUse(name=name, used=window.used, until=until)
