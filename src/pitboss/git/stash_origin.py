"""Tells in which working tree a stash may have been made: all of them share one stash (SPEC 1.2, 1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git.reflog_entries import entries_of
from pitboss.git.small_files import text_of
from pitboss.git.working_trees import working_trees

if TYPE_CHECKING:
    import re
    from pathlib import Path

    from pitboss.git.repo import Repo

_ON_BRANCH = "ref: refs/heads/"
_NO_BRANCH = "(no branch)"
"""What a stash names that was made on a detached HEAD."""


class StashOrigin:
    """Judges by the branch that a stash names: git checks no branch out in two working trees.

    `branch` is the tree's own. One that `private` matches belongs to a single tree; all others may be anybody's.
    """

    def __init__(self, repo: Repo, branch: str, *, private: re.Pattern[str]) -> None:
        self._repo = repo
        self._branch = branch
        self._private = private

    def may_be_here(self, stashed_on: str, since: int) -> bool:
        """Whether a stash on that branch may be of this tree; `since`, in seconds since the epoch, work has gone on.

        A branch that was checked out elsewhere meanwhile counts as this tree's only if it was checked out here too.
        """
        if stashed_on == self._branch:
            return True
        if self._private.fullmatch(stashed_on):
            return False
        here, *elsewhere = (git_dir for _, git_dir in working_trees(self._repo))
        return self._had(_checked_out(here, since, self._branch), stashed_on) or not any(
            self._had(_checked_out(git_dir, since), stashed_on) for git_dir in elsewhere
        )

    def _had(self, names: set[str], stashed_on: str) -> bool:
        return stashed_on in names or (stashed_on == _NO_BRANCH and not all(map(self._is_branch, names)))

    def _is_branch(self, name: str) -> bool:
        """Whether that is no commit or tag, to which HEAD was detached."""
        return (
            self._private.fullmatch(name) is not None
            or self._repo.commit_id(f"refs/heads/{name}") is not None
        )


def _checked_out(git_dir: Path, since: int, begun_on: str = "") -> set[str]:
    """Which branches and commits a working tree has had checked out; only its HEAD if its log cannot be read.

    If work has `begun_on` a branch, what was there before the tree came to that does not count.
    """
    found = {text_of(git_dir / "HEAD").strip().removeprefix(_ON_BRANCH)}
    log = git_dir / "logs" / "HEAD"
    try:
        entries = [entry for entry in entries_of(log) if entry.at >= since] if log.is_file() else []
    except OSError:
        entries = []
    came = (nth for nth, entry in enumerate(entries, 1) if entry.switched_between[1:] == (begun_on,))
    return found.union(*(entry.switched_between for entry in entries[next(came, 0) :]))
