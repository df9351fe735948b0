"""Trees as git stores them: one entry after another, each a mode, a name and the object of that name."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

Entry = tuple[bytes, bytes, bytes]
"""Mode, name, and the name of the object in bytes."""

Entries = dict[bytes, Entry]
"""What is in a tree, by name and in git's order."""

FOLDER = b"40000"
SUBMODULE = b"160000"
FILES = frozenset({b"100644", b"100755"})

_MODES_AND_NAMES = rb"(40000|100644|100755|120000|160000) ([^\0/]+)\0"
_ENTRIES = {
    20: lazy_pattern(_MODES_AND_NAMES + rb"(.{20})", re.DOTALL),
    32: lazy_pattern(_MODES_AND_NAMES + rb"(.{32})", re.DOTALL),
}
_BETWEEN = 2  # a space and a zero


def parse_tree(content: bytes, *, hash_bytes: int) -> Entries | None:
    """What a tree consists of; None unless it is spelled and sorted as git does it today."""
    found: list[Entry] = _ENTRIES[hash_bytes].findall(content)
    length = sum(len(mode) + len(name) for mode, name, _ in found) + len(found) * (_BETWEEN + hash_bytes)
    entries = {entry[1]: entry for entry in found}
    places = list(map(place_of, found))
    is_plain = len(entries) == len(found) and places == sorted(places)
    return entries if length == len(content) and is_plain else None


def place_of(entry: Entry) -> bytes:
    """By what git sorts entries."""
    return entry[1] + b"/" if entry[0] == FOLDER else entry[1]


def spell_tree(entries: Iterable[Entry]) -> bytes:
    """The content of a tree, given its entries in git's order."""
    return b"".join([b"%s %s\0%s" % entry for entry in entries])
