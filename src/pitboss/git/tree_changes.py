"""What a commit would bring into a working tree, and what is in the way: git overwrites ignored files."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from pitboss.git.repo import Repo

Changes = dict[str, str]
"""Path to status letter, as in git's --name-status."""


def changes(repo: Repo, old: str, new: str) -> Changes:
    """What differs between two commits. Raises GitError."""
    if old == new:
        return {}
    listed = repo.kept_running.name_status(old, new) if repo.kept_running else None
    if listed is None:
        listed = repo.git("diff-tree", "-r", "-z", "--name-status", "--no-renames", old, new, "--")
    words = os.fsdecode(listed).split("\0")
    return dict(zip(words[1::2], words[::2], strict=False))


def added(changed: Changes) -> list[str]:
    """The paths that are new."""
    return [path for path, letter in changed.items() if letter == "A"]


def is_taken(root: Path, paths: Iterable[str]) -> bool:
    """Whether anything exists at one of the paths, or a non-folder lies above it."""
    base, paths = os.path.realpath(root), list(paths)
    for folder in {os.path.dirname(path) for path in paths}:  # noqa: PTH120 - of thousands, maybe
        inside = os.path.normpath(os.path.join(base, folder))  # noqa: PTH118
        if os.path.realpath(inside) != inside:
            return True  # by a link
    return any(_exists(os.path.join(base, path)) for path in paths)  # noqa: PTH118


def _exists(place: str) -> bool:
    with suppress(FileNotFoundError):
        with suppress(NotADirectoryError):
            os.lstat(place)
        return True
    return False
