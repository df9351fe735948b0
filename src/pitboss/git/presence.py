"""Makes sure that a repository is there before something that seems to be missing is believed (SPEC 1.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitboss.git.repo import Repo


def expect_there(repo: Repo) -> None:
    """Raise GitError if git finds no repository now: whoever moved it away may also have taken what is missing."""
    repo.git("rev-parse", "--git-dir")
