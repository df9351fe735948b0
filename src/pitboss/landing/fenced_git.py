"""What a session's sandbox must know about git: its folders, and the files it tracks below `.pitboss` (SPEC 13)."""

from __future__ import annotations

import os
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.core.sandbox.git_policy import branch_folders
from pitboss.core.sandbox.ground import GitGround
from pitboss.git.errors import GitError
from pitboss.git.new_objects import entry_of_new, read_new
from pitboss.git.small_files import text_of
from pitboss.landing.kept_hooks import hooks_path, hooks_within
from pitboss.landing.refs import run_branch
from pitboss.store.paths import PITBOSS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.core.session import Assignment
    from pitboss.git.repo import Repo
    from pitboss.store.paths import RunPaths

_GITDIR = "gitdir: "
_HUSKY = ".husky"


class FencedGit:
    """Finds these for all sessions of a run."""

    def __init__(self, repo: Repo, paths: RunPaths) -> None:
        self._repo = repo
        self._paths = paths
        self._listed: str | None = None
        self._folder: str | None = None
        self._names: tuple[str, ...] = ()

    def of(self, session: Assignment) -> tuple[GitGround, tuple[str, ...]]:
        """The session's git folders, and the files below `.pitboss` that it must see.

        In the user's tree, what git tracks there must not look deleted: a session commits what it sees.
        """
        branch = session.branch or run_branch(self._paths.run_id)
        if session.worktree is not None:
            own = self._linked(self._paths.working_copy(session.worktree))
            return self._ground(own, branch, self._paths.working_copy(session.worktree)), ()
        return self._ground(str(self._repo.git_dir), branch, self._repo.root), self._tracked(
            session.base_commit
        )

    def _ground(self, own: str, branch: str, tree: Path) -> GitGround:
        kept = (*self._beside(branch), *self._hooks_in(tree))
        ground = GitGround(own=own, common=str(self._repo.common_dir), branch=branch, kept=kept)
        for folder in branch_folders(ground):
            # Git removes it when it packs the refs in it, and makes it again when one of them moves.
            with suppress(OSError):
                Path(folder).mkdir(parents=True, exist_ok=True)
        return ground

    def _beside(self, branch: str) -> Iterator[str]:
        """The files of the branches in the folder of a session's own: it is writable, they are not."""
        own = self._repo.common_dir / "refs" / "heads" / branch
        with suppress(OSError), os.scandir(own.parent) as found:
            yield from (
                each.path for each in found if each.name != own.name and not each.name.endswith(".lock")
            )

    def _hooks_in(self, tree: Path) -> Iterator[str]:
        """The folder of `core.hooksPath`, where it is in a session's tree: the user's git runs what is in it.

        For husky's `.husky/_` that is `.husky`, which holds only the scripts that those in `_` call.
        """
        folder = hooks_within(tree, self._hooks)
        if folder is not None:
            around = folder.parent
            yield str(around if around != tree and around.name == _HUSKY else folder)

    @cached_property
    def _hooks(self) -> str | None:
        return hooks_path(self._repo)

    def _linked(self, tree: Path) -> str:
        """The git folder of a working copy, according to its `.git` file, which no session can change."""
        named = text_of(tree / ".git").removeprefix(_GITDIR).rstrip("\n")
        return str(tree / named)

    def _tracked(self, commit: str) -> tuple[str, ...]:
        """Files that git tracks below `.pitboss` in a commit; listed again only if a session may have changed them."""
        if commit != self._listed:
            folder = self._folder_in(commit)
            if folder is None or folder != self._folder:
                self._names = self._list(commit)
            self._listed, self._folder = commit, folder
        return self._names

    def _folder_in(self, commit: str) -> str | None:
        """The entry for `.pitboss` in a commit; None if only git can find it."""
        made = read_new(self._repo, commit)
        return None if made is None else entry_of_new(self._repo, made.tree, PITBOSS_FOLDER)

    def _list(self, commit: str) -> tuple[str, ...]:
        try:
            listed = self._repo.git("ls-tree", "-r", "-z", "--name-only", commit, "--", PITBOSS_FOLDER)
        except GitError:
            return ()
        return tuple(filter(None, os.fsdecode(listed).split("\0")))
