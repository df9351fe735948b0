"""Many sessions in the order of their numbers: one of them is found, put in or left out without looking at each."""

from __future__ import annotations

from bisect import bisect_left
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
    """The items with this one, in place of the one that has its number."""
    at = bisect_left(items, item.seq, key=_seq)
    return (*items[:at], item, *items[at + (find(items, item.seq) is not None) :])


def without(items: tuple[N, ...], seq: int) -> tuple[N, ...]:
    """The items but for the one of that number."""
    at = bisect_left(items, seq, key=_seq)
    return (*items[:at], *items[at + (find(items, seq) is not None) :])
