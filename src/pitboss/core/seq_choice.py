"""Session numbers as people choose them on a command line: `3,5-7` (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Collection

_PART = lazy_pattern(r"\s*(\d{1,9})(?:\s*-\s*(\d{1,9}))?\s*")


class SeqRange(msgspec.Struct, frozen=True):
    """The numbers from `first` to `last`, both included."""

    first: int
    last: int

    def __contains__(self, seq: int) -> bool:
        return self.first <= seq <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


class SeqChoice(msgspec.Struct, frozen=True):
    """The chosen numbers, as the ranges that were typed."""

    ranges: tuple[SeqRange, ...] = ()

    def __str__(self) -> str:
        return ",".join(map(str, self.ranges))

    def __contains__(self, seq: int) -> bool:
        return any(seq in each for each in self.ranges)

    def without_any(self, seqs: Collection[int]) -> tuple[SeqRange, ...]:
        """The ranges in which none of `seqs` lies."""
        return tuple(each for each in self.ranges if not any(seq in each for seq in seqs))


def parse_seqs(word: str) -> SeqChoice:
    """The numbers that `3,5-7` names, from 1 on. Raises ValueError, which says what is wrong."""
    return SeqChoice(tuple(map(_parse, word.split(","))))


def _parse(part: str) -> SeqRange:
    found = _PART.fullmatch(part)
    if found is None:
        raise ValueError(f"{part.strip()!r} is no session number or range such as 5-7")
    first = int(found[1])
    last = int(found[2] or first)
    if not 1 <= first <= last:
        raise ValueError(f"{part.strip()!r} is no range of session numbers, which start at 1")
    return SeqRange(first, last)
