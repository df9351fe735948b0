"""Session numbers as they are typed (SPEC 11)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.seq_choice import SeqChoice, SeqRange, parse_seqs

RANGES = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 5)), min_size=1, max_size=5)


@given(RANGES)
def test_what_is_typed_is_what_is_chosen(typed: list[tuple[int, int]]) -> None:
    choice = parse_seqs(
        " , ".join(f"{first}-{first + more}" if more else f"{first}" for first, more in typed)
    )

    chosen = {seq for first, more in typed for seq in range(first, first + more + 1)}
    assert {seq for seq in range(50) if seq in choice} == chosen
    assert choice.without_any(chosen) == ()
    assert choice.without_any(()) == choice.ranges
    assert parse_seqs(str(choice)) == choice


@pytest.mark.parametrize("word", ["", ",", "a", "1-", "-1", "0", "0-3", "3-1", "1.5", "1234567890"])
def test_anything_else_is_refused(word: str) -> None:
    with pytest.raises(ValueError, match="is no "):
        parse_seqs(word)


def test_a_huge_range_costs_nothing() -> None:
    assert 5 in SeqChoice((SeqRange(1, 999_999_999),))
