"""Puts HEAD back where an agent left it on a commit that git cannot read (SPEC 1.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git.ref_changes import ITSELF
from pitboss.git.repo import NO_HOOKS

if TYPE_CHECKING:
    from pitboss.git.repo import Repo


def put_head_back(repo: Repo, branch: str, base: str) -> bool:
    """Put HEAD on `branch` if git cannot read the commit that it is at; returns whether that was so.

    If the branch is no better, it is put back to the commit `base`. Index and files stay as they are, so they hold all
    that can still be read of the agent's work. Raises GitError.
    """
    ref = f"refs/heads/{branch}"
    if not _is_broken(repo, "HEAD") or _is_broken(repo, base):
        return False
    if _is_broken(repo, ref):
        repo.git(*NO_HOOKS, "update-ref", ITSELF, "-m", "pitboss: put back", ref, base)
    repo.git(*NO_HOOKS, "symbolic-ref", "-m", f"pitboss: back to {branch}", "HEAD", ref)
    return True


def _is_broken(repo: Repo, revision: str) -> bool:
    """Whether a revision names a commit, and git has not got that or its tree."""
    named = repo.run("rev-parse", "--verify", "--quiet", revision, ok=(0, 1, 128)).code == 0
    return named and repo.run("cat-file", "-e", f"{revision}^{{tree}}", ok=(0, 1, 128)).code != 0
