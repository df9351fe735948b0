from __future__ import annotations

import statistics

from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.median import median


@given(st.lists(st.floats(0, 1e9), min_size=1))
def test_it_is_that_of_the_standard_library(values: list[float]) -> None:
    assert median(values) == statistics.median(values)


def test_there_is_one_of_nothing_too() -> None:
    assert median([]) == 0
