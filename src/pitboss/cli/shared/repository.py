"""Finds the repository of a run that is about to go on (SPEC 7)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.git.repo import Repo
from pitboss.landing.put_back import put_back_settings

if TYPE_CHECKING:
    from collections.abc import Callable


def begin_to_find(
    root: Path, requested: str | None, *, purpose: str
) -> Callable[[], tuple[Repo, tuple[str, ...]]]:
    """Start to look for the repository around the current folder, whose `.git` seems to be in `root`.

    Whoever gets what this returns calls it once, waits, and gets the repository, and warnings: a session's git settings
    are undone first, as they may hide it. That raises NotARepository.
    """
    told = put_back_settings(root, requested)
    found = Repo.begin_discover(Path.cwd(), purpose=purpose)
    return lambda: (found(), told)
