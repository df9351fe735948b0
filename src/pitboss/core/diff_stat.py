"""How much a session changed, in files and lines (SPEC 9)."""

from __future__ import annotations

import re

import msgspec

_SHORTSTAT = re.compile(
    r"^ (?P<files>\d+) files? changed"
    r"(?:, (?P<added>\d+) insertions?\(\+\))?(?:, (?P<removed>\d+) deletions?\(-\))?$",
    re.MULTILINE,
)

_NOT_NEW = (" mode change ", " delete mode ", " rewrite ")


class DiffStat(msgspec.Struct, frozen=True, kw_only=True):
    """Files that differ, and the lines that were added and removed in them; none in binary files."""

    files: int
    added: int = 0
    removed: int = 0


def parse_shortstat(said: str) -> DiffStat | None:
    """What the first line of git's `--shortstat` says, which `git commit` prints too; None without one."""
    found = _SHORTSTAT.search(said)
    if found is None:
        return None
    return DiffStat(**{name: int(number or 0) for name, number in found.groupdict().items()})


def may_add(said: str) -> bool:
    """Whether files may be new by what `git commit` prints below that line: it names those that are."""
    found = _SHORTSTAT.search(said)
    return found is None or not all(
        line.startswith(_NOT_NEW) for line in said[found.end() :].split("\n") if line
    )
