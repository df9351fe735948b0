"""The earliest time that git and file systems can write on what is made from a given moment on.

Both read a clock that ticks every few milliseconds, so what they write may lie before a precise reading taken
earlier.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

TICK_NS = 20_000_000
"""How far the coarse clock may be behind, in nanoseconds."""


def earliest_second(moment: datetime) -> int:
    """In whole seconds since the epoch, as commits and reflogs have them."""
    return int(moment.timestamp() - TICK_NS / 1e9)


def earliest_ns(moment: datetime) -> int:
    """In nanoseconds since the epoch, as files have them where whole seconds are all that the file system keeps."""
    return earliest_second(moment) * 10**9
