"""Moves the run branch to the commit that a session landed, and deletes branches no longer needed (SPEC 6, 7).

A git process that is kept running does it, because starting one takes longer than the change. It runs no hook. So if
the user has a hook for changes of refs, and whenever that process refuses, git is started for the change, and reports
what is wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git.errors import GitError
from pitboss.git.kept_refs import KeptRefs
from pitboss.git.ref_changes import as_text, in_one_transaction
from pitboss.git.repo import NO_HOOKS
from pitboss.landing.finished import deletions, orders_to_delete

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.git.committer import UserHooks
    from pitboss.git.repo import Repo
    from pitboss.landing.finished import FinishedBranch, FinishedBranches

_CHANGE = ("update-ref", "--create-reflog", "-m")
_COMMITTED = b"commit: ok"
"""What `git update-ref --stdin` prints after each transaction."""

_HOOK = "reference-transaction"


class BranchMover:
    """Moves the branch `ref`; used by one thread at a time."""

    def __init__(self, repo: Repo, ref: str) -> None:
        self._repo = repo
        self._ref = ref
        self._kept: KeptRefs | None = None
        self._hooks: UserHooks | None = None

    def keep_git(self, hooks: UserHooks) -> None:
        """Keep a git running from the first change on; `hooks` finds the user's hooks. See `rest`."""
        self._hooks = hooks
        argv = ("git", *NO_HOOKS, *_CHANGE, "pitboss: a session landed", "--stdin")
        self._kept = KeptRefs(argv, self._repo.pinned)

    def rest(self) -> None:
        """End the git process until it is needed again."""
        if self._kept is not None:
            self._kept.close()

    def move(self, old: str, new: str, seq: int, finished: FinishedBranches) -> None:
        """Move the branch from `old` to `new`, in which session `seq` lands. Raises GitError unless it was moved."""
        taken = finished.take()
        try:
            if self._is_moved_by_kept(old, new, taken):
                return
        except GitError:  # that git died in the middle
            if self._repo.is_at(self._ref, new):
                finished.delete_one_by_one(taken)
                return
        orders = in_one_transaction((f"update {self._ref} {new} {old}",)) + deletions(taken)
        argv = (*_CHANGE, f"pitboss: session {seq} landed", "--stdin")
        done = self._repo.run(*argv, stdin=orders.encode(), ok=(0, 128))
        if done.code == 0:
            return
        if _COMMITTED not in done.stdout:
            finished.put_back(taken)
            raise GitError(("git", *argv), done.stderr.decode(errors="replace"), code=done.code)
        finished.delete_one_by_one(taken)

    def _is_moved_by_kept(self, old: str, new: str, taken: Sequence[FinishedBranch]) -> bool:
        """Whether the git that is kept running has moved the branch and deleted `taken`: all of it, or nothing.

        Raises GitError if it died and nobody knows.
        """
        if self._kept is None or self._hooks is None or self._hooks.has(self._repo, _HOOK):
            return False
        orders = (f"update {self._ref} {new} {old}", *orders_to_delete(taken))
        return self._kept.change(as_text(orders))
