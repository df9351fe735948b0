"""Finds, inserts and removes one of many sessions by its number, without looking at each."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from operator import attrgetter
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class Numbered(Protocol):
    """Whatever has the number of a session."""

    @property
    def seq(self) -> int:
        """The number of the session."""
        ...


N = TypeVar("N", bound=Numbered)
_seq = attrgetter("seq")


def in_order(items: Iterable[N]) -> tuple[N, ...]:
    """Those items in the order that the other functions need."""
    return tuple(sorted(items, key=_seq))


def find(items: tuple[N, ...], seq: int) -> N | None:
    """The item of that number, if there is one."""
    at = bisect_left(items, seq, key=_seq)
    return items[at] if at < len(items) and items[at].seq == seq else None


def put(items: tuple[N, ...], item: N) -> tuple[N, ...]:
    """The items with this one, in place of all that have its number."""
    before, after = _around(items, item.seq)
    return (*before, item, *after)


def without(items: tuple[N, ...], seq: int) -> tuple[N, ...]:
    """The items but for those of that number: a file edited by hand may have several."""
    before, after = _around(items, seq)
    return (*before, *after)


def _around(items: tuple[N, ...], seq: int) -> tuple[tuple[N, ...], tuple[N, ...]]:
    return items[: bisect_left(items, seq, key=_seq)], items[bisect_right(items, seq, key=_seq) :]
