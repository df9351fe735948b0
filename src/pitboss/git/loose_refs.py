"""Where HEAD and branches are: read from git's own files where they tell, else asked of git."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.git.small_files import content_of

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

_BRANCH = lazy_pattern(rb"ref: (refs/heads/[^\0\n]+)\n?")
_COMMIT = lazy_pattern(rb"([0-9a-f]{40}|[0-9a-f]{64})\n?")


def head_commit(repo: Repo) -> str:
    """The commit that is checked out. Raises GitError, also if there is none yet."""
    said = content_of(repo.inside("HEAD"))
    on = _BRANCH.fullmatch(said)
    # If refs are stored elsewhere, HEAD names a branch that has no file.
    return _commit_in(content_of(repo.common_dir / os.fsdecode(on[1])) if on else said) or repo.line(
        "rev-parse", "--verify", "HEAD"
    )


def named_branch(repo: Repo) -> str | None:
    """The branch that HEAD names, whether or not git can read what that branch is at; None if it names none."""
    on = _BRANCH.fullmatch(content_of(repo.inside("HEAD")))
    return os.fsdecode(on[1]).removeprefix("refs/heads/") if on else None


def tip_of(repo: Repo, branch: str) -> str | None:
    """The commit that a branch, whose ref is given in full, is at; None if there is no such branch."""
    return _commit_in(content_of(repo.common_dir / branch)) or repo.commit_id(branch)


def _commit_in(content: bytes) -> str | None:
    found = _COMMIT.fullmatch(content)
    return found[1].decode() if found else None
