"""How the web page writes what is not text yet: times that tick in the browser, times of day (SPEC 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from markupsafe import Markup

from pitboss.core.measures import age, duration, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def clock(moment: datetime) -> str:
    """A time of day here, with the date if it is not today: `03:10`, `Nov 25 23:40`."""
    local = moment.astimezone()
    today = datetime.now(UTC).astimezone().date()
    return local.strftime("%H:%M" if local.date() == today else "%b %d %H:%M")


def ago(moment: datetime) -> Markup:
    """How long ago a moment was, which the browser keeps true."""
    return _ticking("ago", moment, age(moment, datetime.now(UTC)))


def lasting(moment: datetime) -> Markup:
    """How long it has been going on since a moment, which the browser keeps true."""
    return _ticking("for", moment, duration((datetime.now(UTC) - moment).total_seconds()))


def _ticking(how: str, moment: datetime, text: str) -> Markup:
    tag = Markup('<time data-tick="{}" datetime="{}" title="{}">{}</time>')
    return tag.format(how, stamp(moment), moment.astimezone().strftime("%Y-%m-%d %H:%M:%S %Z"), text)


FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "ago": ago,
    "clock": clock,
    "duration": duration,
    "lasting": lasting,
}
"""What templates call."""
