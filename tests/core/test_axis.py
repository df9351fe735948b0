"""The marks of a time axis are at round times and leave each other room (SPEC 10)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.axis import round_step, round_times


@pytest.mark.parametrize(
    ("least", "step"),
    [
        (0.2, 1),
        (7, 10),
        (60, 60),
        (61, 120),
        (4000, 7200),
        (43_201, 86_400),
        (86_401, 172_800),
        (300_000, 345_600),
    ],
)
def test_a_step_is_the_next_round_length(least: float, step: float) -> None:
    assert round_step(least) == step


def test_times_are_multiples_of_the_step_by_the_local_clock() -> None:
    assert round_times(100.0, 400.0, 100.0) == (100.0, 200.0, 300.0, 400.0)
    half_an_hour_ahead = round_times(0.0, 7200.0, 3600.0, offset_s=1800.0)
    assert half_an_hour_ahead == (1800.0, 5400.0)


@given(st.floats(1, 1e9), st.floats(1, 1e7), st.integers(1, 20))
def test_there_are_at_most_as_many_as_there_is_room_for(begin: float, length: float, room: int) -> None:
    times = round_times(begin, begin + length, round_step(length / room))
    assert len(times) <= room + 1
    assert all(begin <= time <= begin + length for time in times)
