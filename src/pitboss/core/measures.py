"""How times, durations, money, tokens and lists are written for people, the same everywhere (SPEC 2, 8)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

_MOST_PLACES = 6
"""Decimals of the smallest amount that is told apart from another: a ten-thousandth of a cent."""

ClockFace = Callable[[datetime], str]
"""How a screen writes a time: local on a terminal, in UTC for programs."""


def stamp(moment: datetime) -> str:
    """RFC 3339 in UTC with `Z`, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def duration(seconds: float) -> str:
    """`0.4s`, `12s`, `3m05s`, `1h02m`, `2d03h`: two units at most. A negative duration counts as zero."""
    if 0.05 <= seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = max(round(seconds), 0)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 86400:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d{whole % 86400 // 3600:02}h"


def age(moment: datetime, now: datetime) -> str:
    """How long ago `moment` was: `just now`, `42 s ago`, `3 min ago`, `5 h ago`, `2 d ago`."""
    seconds = (now - moment).total_seconds()
    if seconds < 5:
        return "just now"
    for unit, size, limit in (("s", 1, 60), ("min", 60, 3600), ("h", 3600, 48 * 3600)):
        if seconds < limit:
            return f"{int(seconds // size)} {unit} ago"
    return f"{int(seconds // 86400)} d ago"


def money(usd: float) -> str:
    """US dollars for people: `$12.30`, `$0.00`; below a cent two digits that count, never a false zero: `$0.0031`."""
    if usd <= 0 or usd >= 0.00995:
        return f"${usd:.2f}"
    places = min(1 - math.floor(math.log10(usd)), _MOST_PLACES)
    words = f"{usd:.{places}f}".rstrip("0")
    return f"under ${10.0**-places:.{places}f}" if words == "0." else f"${words}"


def exact_money(usd: float) -> str:
    """US dollars to a hundredth of a cent: `$0.0123`, where programs read it or amounts are compared."""
    return f"${usd:.4f}"


def spent(usd: float, *, known: bool) -> str:
    """Money that may be a lower bound: `$1.23`, `$1.23+` (or more), or `unknown`, never a false zero."""
    return _spent(usd, money, known=known)


def exactly_spent(usd: float, *, known: bool) -> str:
    """As `spent`, to a hundredth of a cent."""
    return _spent(usd, exact_money, known=known)


def _spent(usd: float, words: Callable[[float], str], *, known: bool) -> str:
    if known:
        return words(usd)
    return f"{words(usd)}+" if usd > 0 else "unknown"


def tokens(count: int) -> str:
    """Tokens to about three digits: `950`, `12.3k`, `1.25M`."""
    if count < 1000:
        return str(count)
    if count < 999_950:
        return f"{count / 1000:.1f}k"
    return f"{count / 1_000_000:.2f}M"


def counted(count: int, noun: str) -> str:
    """How many there are: `1 run`, `3 runs`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def first_few(names: Sequence[str], most: int) -> str:
    """A list of any length in one line: `a, b and 17 more`."""
    named, more = ", ".join(names[:most]), len(names) - most
    return f"{named} and {more} more" if more > 0 else named


def size(count: int) -> str:
    """Bytes to about three digits: `950 B`, `12.3 KiB`, `1.2 GiB`."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1000:
            return f"{count} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
