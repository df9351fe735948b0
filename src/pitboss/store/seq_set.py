"""Which session numbers a log holds; memory grows with its gaps, not its length (SPEC 7)."""

from __future__ import annotations

from bisect import bisect_right


class SeqSet:
    """A set of numbers from 1 on, kept as sorted ranges that neither touch nor overlap."""

    __slots__ = ("_ends", "_starts")

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    @property
    def prefix(self) -> int:
        """The end of the gap-free prefix 1, 2, 3, ...; 0 when there is none."""
        return self._ends[0] if self._starts and self._starts[0] == 1 else 0

    @property
    def highest(self) -> int:
        """The highest number; 0 when the set is empty."""
        return self._ends[-1] if self._ends else 0

    def add(self, seq: int) -> bool:
        """Add a number; returns False if it was already there."""
        if self._ends and seq == self._ends[-1] + 1:
            self._ends[-1] = seq
            return True
        at = bisect_right(self._starts, seq)
        if at > 0 and seq <= self._ends[at - 1]:
            return False
        self._insert(at, seq)
        return True

    def _insert(self, at: int, seq: int) -> None:
        grows_left = at > 0 and self._ends[at - 1] == seq - 1
        grows_right = at < len(self._starts) and self._starts[at] == seq + 1
        if grows_left and grows_right:
            self._ends.pop(at - 1)
            self._starts.pop(at)
        elif grows_left:
            self._ends[at - 1] = seq
        elif grows_right:
            self._starts[at] = seq
        else:
            self._starts.insert(at, seq)
            self._ends.insert(at, seq)
