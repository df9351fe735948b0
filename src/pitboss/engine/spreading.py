"""Has the sessions of a crowd that were let go on together do so one after another (SPEC 14).

Python runs one thread at a time. Where many want to run, each system call of one of them hands the turn to another, and
those that wait for theirs keep waking up: a session then takes twice as much processor time as one that is alone.
"""

from __future__ import annotations

LONGEST_STEP_S = 0.02
"""Seconds after a session until the next one goes on, if they are few: about as much as it takes the processor."""

SPREAD_S = 0.8
"""Seconds within which all of them do: the next ones come a second later."""


def step_s(number: int) -> float:
    """Seconds between two of so many sessions."""
    return min(LONGEST_STEP_S, SPREAD_S / max(1, number))
