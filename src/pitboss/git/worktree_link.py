"""The files by which a linked working tree and git's folder for it find each other: right, or put right (SPEC 1.2)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.git.presence import expect_there
from pitboss.git.small_files import content_of, is_head, led_to, text_of
from pitboss.git.working_trees import root_of, working_trees

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

_GITDIR = "gitdir: "


def linked_git_dir(repo: Repo, root: Path) -> Path | None:
    """Git's folder for the working tree at `root`, whose `.git` file leads there again if it did not.

    None if git could not use it, or somebody made another repository in the tree. Raises GitError if the folder of
    `repo` is away: somebody may just be moving it.
    """
    link = root / ".git"
    said = text_of(link)
    git_dir = _registered_at(repo, root, said)
    if git_dir is None:
        expect_there(repo)
        git_dir = _registered_at(repo, root, said)
    if git_dir is None:
        return None
    if said != (right := f"{_GITDIR}{git_dir}\n"):
        if link.is_dir() and not link.is_symlink():
            return None
        link.unlink(missing_ok=True)
        link.write_bytes(os.fsencode(right))
    return git_dir


def follow_move(repo: Repo, root: Path, was: Path) -> None:
    """Have git know a working tree at `root` that it knows at `was`; does nothing if it knows none there."""
    git_dir = _registered_at(repo, was, text_of(root / ".git"))
    if git_dir is not None:
        (git_dir / "gitdir").write_bytes(os.fsencode(f"{root / '.git'}\n"))


def tree_on_branch(repo: Repo, branch: str) -> Path | None:
    """The linked working tree that git knows to be on a branch, if both lead to each other."""
    on_it = f"ref: refs/heads/{branch}"
    for root, git_dir in working_trees(repo):
        if (
            text_of(git_dir / "HEAD").rstrip("\n") == on_it
            and led_to(Path(root, ".git")) == git_dir.resolve()
        ):
            return Path(root)
    return None


def _registered_at(repo: Repo, root: Path, said: str) -> Path | None:
    """Git's folder for the working tree at `root`, whose `.git` has said where; None if it is unusable."""
    named = Path(said.removeprefix(_GITDIR).rstrip("\n"))
    if named.parent == repo.common_dir / "worktrees" and root_of(named) == str(root):
        place: Path | None = named
    else:
        place = next((git_dir for each, git_dir in working_trees(repo) if each == str(root)), None)
    return place if place is not None and _is_sound(place, repo.common_dir) else None


def _is_sound(git_dir: Path, common_dir: Path) -> bool:
    """Whether git can use its administrative folder for a working tree, and would write nowhere else."""
    if git_dir.is_symlink() or not is_head(content_of(git_dir / "HEAD")):
        return False
    leads_to = text_of(git_dir / "commondir").rstrip("\n")
    try:
        return bool(leads_to) and (git_dir / leads_to).samefile(common_dir)
    except OSError:
        return False
