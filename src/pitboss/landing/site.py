"""What all places of a run share: repository, run branch, run directory, and the settings of working copies."""

from __future__ import annotations

from pathlib import Path

import msgspec

from pitboss.core.config import WorktreeSettings
from pitboss.git.hidden import LIMIT
from pitboss.git.repo import Repo
from pitboss.landing.run_branch import RunBranch
from pitboss.store.paths import RunPaths


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """Where a run's sessions work and land.

    If a session's own ignore rules hide more than `ignored_limit` bytes, those files are moved, not kept in git.
    """

    repo: Repo
    branch: RunBranch
    paths: RunPaths
    worktree: WorktreeSettings
    ignored_limit: int = LIMIT
    copied_from: Path | None = None
    """Where `[grind.worktree] copy` finds its files; None for the repository's own tree."""

    @property
    def run_id(self) -> str:
        """The run."""
        return self.paths.run_id
