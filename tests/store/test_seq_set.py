"""The set of session numbers against a plain set."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pitboss.store.seq_set import SeqSet


@given(st.lists(st.integers(1, 30), max_size=60))
def test_it_answers_like_a_plain_set_of_numbers(seqs: list[int]) -> None:
    ours, plain = SeqSet(), set[int]()
    for seq in seqs:
        assert ours.add(seq) is (seq not in plain)
        plain.add(seq)
    prefix = 0
    while prefix + 1 in plain:
        prefix += 1
    assert (ours.prefix, ours.highest) == (prefix, max(plain, default=0))


def test_a_gap_that_is_filled_joins_its_neighbours() -> None:
    seqs = SeqSet()
    answers = [seqs.add(seq) for seq in (1, 3, 4, 2, 2)]
    assert answers == [True, True, True, True, False]
    assert (seqs.prefix, seqs.highest) == (4, 4)


def test_a_set_without_one_has_no_prefix() -> None:
    seqs = SeqSet()
    seqs.add(3)
    seqs.add(2)
    assert (seqs.prefix, seqs.highest) == (0, 3)
