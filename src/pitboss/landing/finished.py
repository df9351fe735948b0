"""Deletes branches of recorded sessions together with the next landing, in one git call."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from pitboss.git.errors import GitError
from pitboss.git.ref_changes import ITSELF, change_refs, in_one_transaction
from pitboss.git.repo import NO_HOOKS
from pitboss.landing.rescue_refs import rescue_commit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.git.repo import Repo


class FinishedBranch(msgspec.Struct, frozen=True, kw_only=True):
    """The branch of session `seq`, which had landed or been rescued when it was at `settled`.

    `is_free` says whether no working copy has it checked out any longer.
    """

    seq: int
    branch: str
    settled: str
    is_free: Callable[[], bool]


class FinishedBranches:
    """A run's branches that await deletion. Safe to call from several session threads."""

    def __init__(self, repo: Repo, run_id: str) -> None:
        self._repo = repo
        self._run_id = run_id
        self._lock = Lock()
        self._waiting: list[FinishedBranch] = []

    def add(self, finished: FinishedBranch) -> None:
        """Schedule a branch for deletion once nothing needs it."""
        with self._lock:
            self._waiting.append(finished)

    def take(self) -> list[FinishedBranch]:
        """The branches that can be deleted now: the caller deletes them or puts them back."""
        with self._lock:
            taken = [finished for finished in self._waiting if finished.is_free()]
            self._waiting = [finished for finished in self._waiting if finished not in taken]
        return taken

    def put_back(self, taken: Sequence[FinishedBranch]) -> None:
        """Take back branches that could not be deleted: try again with the next landing."""
        with self._lock:
            self._waiting += taken

    def delete(self, finished: FinishedBranch) -> None:
        """Delete one branch; anything committed there after it was settled is rescued. Raises GitError."""
        tip = self._repo.commit_id(f"refs/heads/{finished.branch}")
        if tip is None:
            return
        if tip != finished.settled:
            rescue_commit(self._repo, self._run_id, finished.seq, tip)
        self._repo.git(*NO_HOOKS, "update-ref", ITSELF, "-d", f"refs/heads/{finished.branch}", tip)

    def delete_all(self) -> None:
        """Delete all that are waiting, now that no working copy is left. Raises GitError."""
        with self._lock:
            taken, self._waiting = self._waiting, []
        if not taken:
            return
        orders = deletions(taken).encode()
        if self._repo.run(*NO_HOOKS, "update-ref", "--stdin", stdin=orders, ok=(0, 128)).code != 0:
            for finished in taken:
                self.delete(finished)

    def delete_with(self, order: str) -> None:
        """Carry out an `order` of `git update-ref --stdin`, and delete what nothing needs. Raises GitError."""
        taken = self.take()
        try:
            change_refs(self._repo, (order, *orders_to_delete(taken)))
        except GitError:
            self.delete_one_by_one(taken)
            change_refs(self._repo, (order,))

    def delete_one_by_one(self, taken: Sequence[FinishedBranch]) -> None:
        """Delete them even if some have moved since they were settled; those that git cannot delete are put back."""
        for finished in taken:
            try:
                self.delete(finished)
            except GitError:
                self.put_back([finished])


def deletions(taken: Sequence[FinishedBranch]) -> str:
    """What `git update-ref --stdin` has to read to delete all of them or none."""
    return in_one_transaction(orders_to_delete(taken)) if taken else ""


def orders_to_delete(taken: Sequence[FinishedBranch]) -> list[str]:
    """The orders to delete them."""
    return [f"delete refs/heads/{finished.branch} {finished.settled}" for finished in taken]
