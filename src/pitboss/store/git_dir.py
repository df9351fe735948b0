"""Finds the git directory of a working tree without starting git, and pitboss's folder in it (SPEC 7).

For the main working tree that is git's common directory. A linked one has a folder of its own, because two working
trees of a repository may each have a run.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from pitboss.store.opening import open_users
from pitboss.store.paths import LOCK_FILENAME, lock_path

_POINTER = b"gitdir: "
_LONGEST = 4096


def git_folder(repo: Path) -> Path | None:
    """Git's own folder for the working tree at `repo`; None if there is none."""
    link = repo / ".git"
    if link.is_dir():
        return link
    said = _said(link)
    if said is None or not said.startswith(_POINTER):
        return None
    folder = repo / Path(said.removeprefix(_POINTER).rstrip(b"\n").decode(errors="surrogateescape"))
    return folder if folder.is_dir() else None


def ours_in_git(repo: Path) -> Path | None:
    """Pitboss's folder in there: it holds the second lock, and copies of what cannot be recreated."""
    folder = git_folder(repo)
    return folder and folder / "pitboss"


def common_folder(repo: Path) -> Path | None:
    """Git's folder that all working trees of the repository share; None if there is none."""
    folder = git_folder(repo)
    if folder is None:
        return None
    said = _said(folder / "commondir")
    return folder if said is None else folder / Path(said.rstrip(b"\n").decode(errors="surrogateescape"))


def working_trees(repo: Path) -> list[tuple[Path | None, Path]]:
    """Every working tree of the repository, and git's folder for it, this one's first.

    Of a working tree whose folder was removed, git's may still be there. None: nothing says where it is.
    """
    own, common = git_folder(repo), common_folder(repo)
    if own is None or common is None:
        return []
    common = Path(os.path.realpath(common))
    found: dict[str, tuple[Path | None, Path]] = {os.path.realpath(own): (repo, own)}
    found.setdefault(str(common), (common.parent if common.name == ".git" else None, common))
    linked = common / "worktrees"
    with suppress(OSError):
        for folder in sorted(linked.iterdir()):
            said = _said(folder / "gitdir")
            root = None if said is None else folder / Path(os.fsdecode(said).rstrip("\n")).parent
            found.setdefault(str(folder), (root, folder))
    return list(found.values())


def lock_paths(repo: Path) -> tuple[Path, ...]:
    """Everything that a live run locks: two files and, because an agent may delete them, git's folder itself."""
    folder, ours = git_folder(repo), ours_in_git(repo)
    return (
        (lock_path(repo),)
        if folder is None or ours is None
        else (lock_path(repo), ours / LOCK_FILENAME, folder)
    )


def _said(file: Path) -> bytes | None:
    """What git wrote in one of its small files; None if there is no such file."""
    try:
        with open_users(file) as opened:
            return opened.read(_LONGEST)
    except OSError:
        return None
