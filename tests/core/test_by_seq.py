"""Sessions in the order of their numbers: the same as looking at each of them."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from pitboss.core import by_seq


class Item(NamedTuple):
    """Something with a number, and a word to tell it from another with that number."""

    seq: int
    word: str = "old"


NUMBERS = st.integers(1, 12)
ITEMS = st.lists(NUMBERS, max_size=12).map(lambda seqs: by_seq.in_order(map(Item, seqs)))
"""Mostly one of each number; a file edited by hand may have several."""


@given(st.lists(NUMBERS))
def test_items_are_put_in_order(seqs: list[int]) -> None:
    assert [item.seq for item in by_seq.in_order(map(Item, seqs))] == sorted(seqs)


@given(ITEMS, NUMBERS)
def test_an_item_is_found_by_its_number(items: tuple[Item, ...], seq: int) -> None:
    assert by_seq.find(items, seq) == next((item for item in items if item.seq == seq), None)


@given(ITEMS, NUMBERS)
def test_an_item_takes_the_place_of_those_with_its_number(items: tuple[Item, ...], seq: int) -> None:
    new = Item(seq, "new")
    others = [item for item in items if item.seq != seq]
    assert by_seq.put(items, new) == tuple(sorted((*others, new)))


@given(ITEMS, NUMBERS)
def test_the_items_of_one_number_are_left_out(items: tuple[Item, ...], seq: int) -> None:
    assert by_seq.without(items, seq) == tuple(item for item in items if item.seq != seq)
