"""The file in a linked working tree that leads to git's folder for it: found right, or put right (SPEC 1.2)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.git.presence import expect_there
from pitboss.git.small_files import content_of, is_head, text_of

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
    git_dir = _registered_at(repo, link, said)
    if git_dir is None:
        expect_there(repo)
        git_dir = _registered_at(repo, link, said)
    if git_dir is None:
        return None
    if said != (right := f"{_GITDIR}{git_dir}\n"):
        if link.is_dir() and not link.is_symlink():
            return None
        link.unlink(missing_ok=True)
        link.write_bytes(os.fsencode(right))
    return git_dir


def _registered_at(repo: Repo, link: Path, said: str) -> Path | None:
    """Git's folder for the working tree whose `.git` file, at `link`, has said where; None if it is unusable."""
    here = str(link)
    named = Path(said.removeprefix(_GITDIR).rstrip("\n"))
    folder = repo.common_dir / "worktrees"
    if named.parent == folder and text_of(named / "gitdir").rstrip("\n") == here:
        place: Path | None = named
    else:
        known = sorted(folder.iterdir()) if folder.is_dir() else ()
        place = next((each for each in known if text_of(each / "gitdir").rstrip("\n") == here), None)
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
