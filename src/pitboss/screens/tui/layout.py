"""How the parts of a run's screen share the terminal; pure (SPEC 10)."""

from __future__ import annotations

from typing import NamedTuple

WIDE = 140
TALL = 34
"""From this many columns and rows on, all parts are on the screen at once; else those below take turns."""


class Shares(NamedTuple):
    """Rows for what needs somebody and for what is in flight, borders included; 0: not shown."""

    needs: int
    flights: int


def is_roomy(width: int, height: int) -> bool:
    """Whether all parts fit side by side."""
    return width >= WIDE and height >= TALL


def shares(height: int, *, needs: int, flights: int, live: bool) -> Shares:
    """How many of `height` rows the upper parts get for so many rows of their own; most are for what has ended.

    An even number of rows is for needs, which may take two each.
    """
    most_needs, most_flights = max(height // 12, 1) * 2, max(height // 5, 3)
    in_flight = 1 + min(max(flights, 1), most_flights) if flights or live else 0
    return Shares(needs=1 + min(needs, most_needs) if needs else 0, flights=in_flight)
