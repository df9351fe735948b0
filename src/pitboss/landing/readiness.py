"""Whether git and the user's tree are ready for a run to start (SPEC 5)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.core.measures import counted
from pitboss.errors import StartError
from pitboss.git.errors import GitError
from pitboss.git.version import begin_to_refuse_old

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus


def begin_check(repo: Repo, *, in_place: bool) -> Callable[[], TreeStatus]:
    """Start to look; call the result once to wait for it.

    That raises StartError if a run cannot start, with `in_place` also if the tree is not clean, and GitError. The
    status names the commit and branch that the run starts from.
    """
    looked, refuse_old = repo.begin_status(), begin_to_refuse_old(repo, StartError)

    def checked() -> TreeStatus:
        try:
            refuse_old()
        except (StartError, GitError):
            with suppress(GitError):
                looked()
            raise
        status = looked()
        refuse_unborn(status)
        if in_place:
            refuse_unclean(repo, status)
        return status

    return checked


def refuse_unborn(status: TreeStatus) -> None:
    """Raise StartError if there is no commit that a run could start from."""
    if status.unborn:
        raise StartError(
            "creating run branch: the repository has no commit yet", hint="commit something first"
        )


def refuse_unclean(repo: Repo, status: TreeStatus) -> None:
    """Raise StartError if a session in the user's working tree would pick up work that is not its own."""
    from pitboss.git.snapshot import operation_underway

    if word := operation_underway(repo):
        raise StartError(f"a {word} is in progress in the working tree", hint="finish or abort it first")
    if status.dirty:
        from pitboss.landing.unclean import way_out

        paths = counted(status.dirty, "path")
        raise StartError(
            f"the working tree is not clean: {paths} changed or untracked",
            hint=way_out(repo, status),
        )


def refuse_linked_folder(repo: Repo) -> None:
    """Raise StartError if git's folder of working copies is a link: git finds no repository from behind it."""
    folder = repo.common_dir / "worktrees"
    if folder.is_symlink():
        raise StartError(
            f"{folder} is a symbolic link, and git cannot use working copies through one",
            hint="put the folder itself there, or run one session at a time in your own tree: "
            '`--max-parallel 1`, without `[grind] mode = "worktree"`',
        )
