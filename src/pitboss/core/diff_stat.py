"""How much a session changed, in files and lines (SPEC 9)."""

from __future__ import annotations

import re

import msgspec

from pitboss.core.patterns import lazy_pattern

_SHORTSTAT = lazy_pattern(
    r"^ (?P<files>\d+) files? changed"
    r"(?:, (?P<added>\d+) insertions?\(\+\))?(?:, (?P<removed>\d+) deletions?\(-\))?$",
    re.MULTILINE,
)

_NOT_NEW = (" mode change ", " delete mode ", " rewrite ")


class DiffStat(msgspec.Struct, frozen=True, kw_only=True):
    """How many files changed, and how many lines were added and removed; binary files count as no lines."""

    files: int
    added: int = 0
    removed: int = 0


def parse_shortstat(said: str) -> DiffStat | None:
    """Parse git's `--shortstat` line, which `git commit` prints too; None if there is none."""
    found = _SHORTSTAT.search(said)
    if found is None:
        return None
    return DiffStat(**{name: int(number or 0) for name, number in found.groupdict().items()})


def may_add(said: str) -> bool:
    """Whether a commit may have added files: below that line, `git commit` names those that it added."""
    found = _SHORTSTAT.search(said)
    return found is None or not all(
        line.startswith(_NOT_NEW) for line in said[found.end() :].split("\n") if line
    )
