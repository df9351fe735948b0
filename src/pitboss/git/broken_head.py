"""Puts HEAD back where an agent left it on a commit that git cannot read (SPEC 1.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git.lost_objects import lost_objects, write_again
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
    _put_on(repo, branch, base if _is_broken(repo, ref) else None)
    return True


def head_is_whole(repo: Repo, branch: str, *, base: str, head: str) -> bool:
    """Whether git can read all that was committed from `base` to HEAD, which is at the commit `head`.

    What it has lost is written again from files that still hold it. If some of it stays lost, HEAD is put back as by
    `put_head_back`. Raises GitError.
    """
    while lost := lost_objects(repo, base, head):
        if not write_again(repo, lost):
            break
    else:
        return True
    tip = repo.commit_id(f"refs/heads/{branch}")
    _put_on(repo, branch, base if tip == head else None)
    return False


def _put_on(repo: Repo, branch: str, commit: str | None) -> None:
    """Put HEAD on a branch, and that on a commit if one is given."""
    ref = f"refs/heads/{branch}"
    if commit is not None:
        repo.git(*NO_HOOKS, "update-ref", ITSELF, "-m", "pitboss: put back", ref, commit)
    repo.git(*NO_HOOKS, "symbolic-ref", "-m", f"pitboss: back to {branch}", "HEAD", ref)


def _is_broken(repo: Repo, revision: str) -> bool:
    """Whether a revision names a commit, and git has not got that or its tree."""
    named = repo.run("rev-parse", "--verify", "--quiet", revision, ok=(0, 1, 128)).code == 0
    return named and repo.run("cat-file", "-e", f"{revision}^{{tree}}", ok=(0, 1, 128)).code != 0
