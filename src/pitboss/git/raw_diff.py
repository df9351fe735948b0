"""What differs between two commits, with the modes of the files; git compares them while others work."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.git.repo import Repo


class Difference(NamedTuple):
    """A path that differs: its modes before and after, as git writes them, and git's letter for what became of it."""

    path: str
    modes: tuple[str, str]
    letter: str


def begin_raw_diff(repo: Repo, old: str, new: str) -> Callable[[], list[Difference]]:
    """Start to compare two commits; whoever gets what this returns calls it once, and then waits. That raises GitError.

    Git is not asked if they are the same.
    """
    if old == new:
        return list
    printed = repo.begin_git("diff-tree", "-r", "-z", "--no-renames", old, new, "--")
    return lambda: _parse(printed())


def _parse(printed: bytes) -> list[Difference]:
    fields = os.fsdecode(printed).split("\0")
    facts = (meta.removeprefix(":").split(" ") for meta in fields[0::2])
    return [
        Difference(path, (before, after), letter)
        for (before, after, _, _, letter), path in zip(facts, fields[1::2], strict=False)
    ]
