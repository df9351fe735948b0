"""Where a time axis has its marks: at round times, as far apart as their words need (SPEC 10)."""

from __future__ import annotations

import math

_DAY = 86_400.0
_STEPS = (
    *(1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 900.0, 1800.0),
    *(3600.0, 7200.0, 10_800.0, 21_600.0, 43_200.0),
)


def round_step(least_s: float) -> float:
    """The smallest round length of time that is at least so long, both in seconds: 5 s, 15 min, 3 h, 4 days."""
    found = next((step for step in _STEPS if step >= least_s), None)
    return found if found is not None else _DAY * 2.0 ** math.ceil(math.log2(max(least_s / _DAY, 1.0)))


def round_times(begin: float, end: float, step_s: float, *, offset_s: float = 0.0) -> tuple[float, ...]:
    """The multiples of a step from `begin` to `end`, in seconds; `offset_s` is how far local time is ahead of them."""
    first = math.ceil((begin + offset_s) / step_s)
    last = math.floor((end + offset_s) / step_s)
    return tuple(nth * step_s - offset_s for nth in range(first, last + 1))
