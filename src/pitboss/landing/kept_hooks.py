"""Keeps a copy of git hooks in the user's tree, as they were when a run with a sandbox began (SPEC 13).

Git runs them outside the sandbox when pitboss commits, and a tree is what agents write: one of them could commit
another hook for the sessions after it. So git finds a copy in the run directory, which no session sees.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.errors import StorageError
from pitboss.git.errors import GitError
from pitboss.store.files import make_directory
from pitboss.store.opening import entry_at, is_folder, open_regular, remove_tree

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

FOLDER = "git-hooks"
"""In the run directory."""


class KeptHooks:
    """The folder that `core.hooksPath` names, if it is in the tree of `repo`, for the run whose directory is `run`."""

    def __init__(self, repo: Repo, run: Path) -> None:
        self._root = repo.root
        hooks = hooks_within(repo.root, hooks_path(repo))
        self._hooks = None if hooks is None else hooks.relative_to(repo.root)
        self._kept = run / FOLDER

    @property
    def folder(self) -> Path | None:
        """Where git is to find the hooks; None if they are not in the tree."""
        return None if self._hooks is None else self._kept / self._hooks

    def keep(self) -> None:
        """Copy them, with the folder around them, from which they may call each other. Raises StorageError.

        What an earlier process of the run has copied stays.
        """
        if self._hooks is None or is_folder(self._kept):
            return
        import shutil

        top = self._hooks if self._hooks.parent == Path() else self._hooks.parent
        made = self._kept.with_name(f"{FOLDER}.new")
        try:
            make_directory(self._kept.parent)
            remove_tree(made)
            make_directory(made)
            if (self._root / top).is_dir():
                shutil.copytree(self._root / top, made / top, symlinks=True, copy_function=_copy_durably)
            with entry_at(self._kept) as at:
                os.rename(made.name, at.name, src_dir_fd=at.folder, dst_dir_fd=at.folder)
                os.fsync(at.folder)
        except OSError as error:  # shutil's Error is an OSError too
            raise StorageError(f"cannot copy the git hooks in {top}: {error}") from None


def _copy_durably(source: str, copy: str) -> str:
    """Copy one file, durably: a hook that a power cut left half-written might accept every commit."""
    import shutil

    shutil.copy2(source, copy)
    with open_regular(copy) as file:
        os.fsync(file.fileno())
    return copy


def hooks_path(repo: Repo) -> str | None:
    """The value of `core.hooksPath`."""
    try:
        return os.fsdecode(repo.git("config", "--path", "core.hooksPath")).rstrip("\n")
    except GitError:
        return None


def hooks_within(tree: Path, named: str | None) -> Path | None:
    """The folder that such a setting means in a tree; None if that is not inside it."""
    folder = Path(os.path.normpath(tree / (named or ".")))
    return folder if tree in folder.parents else None
