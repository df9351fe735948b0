"""Reads git's logs of HEAD and stash as files, entry by entry."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_STASH = lazy_pattern(rb"(?:WIP on|On) ([^:]+):")
_SWITCH = lazy_pattern(rb"checkout: moving from (\S+) to (\S+)")

_MOST_BYTES = 64 * 2**20
"""Of a longer log only the end is read."""


class ReflogEntry(NamedTuple):
    """Where HEAD or the stash moved to, when in seconds since the epoch, and why in git's words."""

    commit: str
    at: int
    what: bytes

    @property
    def is_visit(self) -> bool:
        """Whether HEAD merely moved to a commit that already existed."""
        return self.what.startswith((b"checkout:", b"reset:", b"pitboss:"))

    @property
    def stashed_on(self) -> str:
        """The branch that a stash was made on; empty if the entry does not say."""
        found = _STASH.match(self.what)
        return os.fsdecode(found[1]) if found else ""

    @property
    def switched_between(self) -> tuple[str, ...]:
        """The two branches, or commits, of a checkout."""
        found = _SWITCH.fullmatch(self.what)
        return tuple(map(os.fsdecode, found.groups())) if found else ()

    @property
    def is_arrival(self) -> bool:
        """Whether the branch was moved to this commit, rather than HEAD returning to it."""
        return not self.what.startswith((b"checkout:", b"reset:", b"rebase"))


def entries_of(log: Path, offset: int = 0) -> Iterator[ReflogEntry]:
    """A log's entries from a byte on; none if there is no log. Raises OSError if it cannot be read."""
    for line in _tail(log, offset).splitlines():
        fields, _, what = line.partition(b"\t")
        words = fields.split()
        if len(words) >= 4 and words[-2].isdigit():
            yield ReflogEntry(words[1].decode(), int(words[-2]), what)


def _tail(log: Path, offset: int) -> bytes:
    try:
        with log.open("rb") as file:
            file.seek(max(offset, size_of(log) - _MOST_BYTES))
            return file.read(_MOST_BYTES)
    except FileNotFoundError:
        return b""


def size_of(log: Path) -> int:
    """In bytes; 0 if there is no log."""
    try:
        return os.stat(log).st_size  # noqa: PTH116 - on a fast path
    except FileNotFoundError:
        return 0
