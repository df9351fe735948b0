"""Tells which branches unfinished rebases will move when they end: git itself lets nobody move or delete those.

While a rebase is under way HEAD is detached, so its branch is not checked out anywhere.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.git.small_files import content_of, read_file
from pitboss.git.working_trees import working_trees

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.git.repo import Repo

_HEAD_NAMES = ("rebase-merge/head-name", "rebase-apply/head-name")
_UPDATED = "rebase-merge/update-refs"
"""Three lines for each further branch of `git rebase --update-refs`: its name, where it was, where it will be."""

_REFS = "refs/heads/"
_MOST_BYTES = 1 << 20


def rebased_branches(repo: Repo) -> dict[str, str]:
    """The full names of these branches, each with the working tree in which it is being rebased."""
    found: dict[str, str] = {}
    for tree, git_dir in working_trees(repo):
        for name in _to_move(git_dir):
            found.setdefault(name, tree)
    return found


def _to_move(git_dir: Path) -> Iterator[str]:
    for file in _HEAD_NAMES:
        name = os.fsdecode(content_of(git_dir / file).strip())
        if name.startswith(_REFS):  # else `detached HEAD`
            yield name
    try:
        updated = os.fsdecode(read_file(git_dir / _UPDATED, _MOST_BYTES)[0]).split("\n")
    except OSError:
        return
    yield from updated[::3]
