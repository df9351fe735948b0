"""What a session's sandbox has to know of git: its folders, and what git tracks below `.pitboss` (SPEC 13)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.core.sandbox.ground import GitGround
from pitboss.git.errors import GitError
from pitboss.git.small_files import text_of
from pitboss.landing.refs import run_branch
from pitboss.store.paths import PITBOSS_FOLDER

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.session import Assignment
    from pitboss.git.repo import Repo
    from pitboss.store.paths import RunPaths

_GITDIR = "gitdir: "


class FencedGit:
    """Answers for all sessions of a run."""

    def __init__(self, repo: Repo, paths: RunPaths) -> None:
        self._repo = repo
        self._paths = paths

    def of(self, session: Assignment) -> tuple[GitGround, tuple[str, ...]]:
        """The session's git folders, and the files below `.pitboss` that it has to see.

        In the user's tree, what git tracks there must not look deleted: a session commits what it sees.
        """
        branch = session.branch or run_branch(self._paths.run_id)
        if session.worktree is not None:
            own = self._linked(self._paths.working_copy(session.worktree))
            return self._ground(own, branch), ()
        return self._ground(str(self._repo.git_dir), branch), self._tracked(session.base_commit)

    def _ground(self, own: str, branch: str) -> GitGround:
        return GitGround(own=own, common=str(self._repo.common_dir), branch=branch)

    def _linked(self, tree: Path) -> str:
        """The folder that belongs to a working copy: what its `.git` says, which no session can change."""
        named = text_of(tree / ".git").removeprefix(_GITDIR).rstrip("\n")
        return str(tree / named)

    def _tracked(self, commit: str) -> tuple[str, ...]:
        try:
            listed = self._repo.git("ls-tree", "-r", "-z", "--name-only", commit, "--", PITBOSS_FOLDER)
        except GitError:
            return ()
        return tuple(filter(None, os.fsdecode(listed).split("\0")))
