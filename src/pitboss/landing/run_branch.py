"""The branch a run's sessions land on: created, advanced, repaired, recreated (SPEC 5, 7)."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.session import Reason
from pitboss.errors import StartError
from pitboss.git import commits
from pitboss.git.errors import GitError
from pitboss.git.locks import remove_stale_locks
from pitboss.git.new_objects import read_new
from pitboss.git.ref_changes import ITSELF
from pitboss.git.reflog import Reflog
from pitboss.git.repo import NO_HOOKS
from pitboss.landing import rescue_refs
from pitboss.landing.blocked_refs import makes_way
from pitboss.landing.branch_mover import BranchMover
from pitboss.landing.finished import FinishedBranches
from pitboss.landing.refs import RUN_BRANCHES, SESSION_BRANCH, lock_scope
from pitboss.landing.straight_line import StraightLine
from pitboss.landing.user_checkout import UserCheckout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pitboss.core.session import Assignment
    from pitboss.git.disjoint_changes import DisjointChanges
    from pitboss.git.repo import Repo
    from pitboss.landing.user_checkout import RescueLabel


class BranchMoved(Exception):
    """Someone else has just moved the run branch: call `RunBranch.reconcile`, then try again."""


class _Behind(msgspec.Struct, frozen=True):
    """Where the user's checkout is while it lags behind the branch; `adds`: work landed since may add files."""

    at: str
    adds: bool


class RunBranch:
    """The run branch. With `checked_out`, the user's working tree is on it and follows it."""

    def __init__(self, repo: Repo, name: str, *, checked_out: bool) -> None:
        self.name = name
        self.ref = f"refs/heads/{name}"
        self.checked_out = checked_out
        self._repo = repo
        self._tip: str | None = None
        self._tree: tuple[str, str] | None = None
        self._line = StraightLine()
        self.has_advanced = False
        """Whether sessions have landed from elsewhere."""
        self._changes: DisjointChanges | None = None
        self._noting = Lock()
        self._following = Lock()
        self._behind: _Behind | None = None
        self._checkout = UserCheckout(repo, name) if checked_out else None
        self.mover = BranchMover(repo, self.ref)
        """What `advance` moves it with."""
        self.finished = FinishedBranches(repo, name.removeprefix(RUN_BRANCHES))
        """Branches of sessions that have their record; `advance` deletes them along the way."""

    @property
    def tip(self) -> str:
        """The commit that it points to, read once; `reconcile` notices when others move it. Raises GitError."""
        if self._tip is None:
            self._tip = self._repo.line("rev-parse", "--verify", self.ref)
        return self._tip

    def moved_to(self, commit: str) -> None:
        """Note that a session in the user's working tree moved it."""
        self._tip = commit

    @property
    def tree(self) -> str:
        """The tree of its tip. Raises GitError."""
        if self._tree is None or self._tree[0] != self.tip:
            self._tree = self.tip, self._repo.line("rev-parse", f"{self.tip}^{{tree}}")
        return self._tree[1]

    def tree_with(self, change: str, base: str) -> str | None:
        """The tree of the tip with what `change` did to `base`, its only parent; None if git has to merge them."""
        from pitboss.git.disjoint_changes import DisjointChanges  # a run with one slot does without

        if change in self._line or not self._line.leads(base, self.tip):
            return None
        self._changes = self._changes or DisjointChanges(self._repo)
        return self._changes.merge(base, self.tip, change)

    # Starting and resuming a run

    def create(self, base: str) -> None:
        """Create the run branch at the commit `base`; nothing is checked out.

        Raises StartError if another branch's name is in the way.
        """
        self.begin_create(base)()

    def begin_create(self, base: str) -> Callable[[], None]:
        """Start `create`; call the result once to wait for it."""
        made = self._repo.begin_git("update-ref", ITSELF, "-m", "pitboss: run branch", self.ref, base, "")

        def created() -> None:
            try:
                made()
            except GitError as error:
                if error.ref_in_the_way is None:
                    raise
                raise StartError(
                    f"creating run branch: no branch can be named {self.name} beside one named `pitboss`",
                    hint="rename that one: `git branch -m pitboss OTHER-NAME`",
                ) from error
            self._tip = base

        return created

    def undo(self, base: str) -> None:
        """Undo `create`: the run could not begin."""
        self._repo.git("update-ref", ITSELF, "-d", self.ref, base)

    def recreate(self, at: str) -> None:
        """Recreate a lost run branch at commit `at`; raises StartError if that commit is gone too."""
        if self._repo.commit_id(at) is None:
            raise StartError(
                f"the run branch {self.name} is gone, and so is commit {at[:7]}",
                hint=f"`git branch {self.name} COMMIT` puts it back; `git reflog` may know the commit",
            )
        self._write("-m", "pitboss: run branch again", self.ref, at, "")

    def withdraw(self, session: Assignment) -> tuple[str, ...]:
        """Put the branch back to where a session began that can no longer land; nothing is checked out.

        What it has beyond that, and any commits made since that no ref holds, are rescued under the returned refs.
        Repeatable. Raises GitError.
        """
        base, run_id = session.base_commit, self.name.rpartition("/")[2]
        known = rescue_refs.list_rescued(self._repo, run_id, session.seq)
        made = Reflog(self._repo, self.name, private=SESSION_BRANCH).commits_since(base, session.started_at)
        lost = [oid for oid in made if not self._is_held(oid)]
        loose = commits.outside(self._repo, [self.tip, *lost], base, *(rescued.oid for rescued in known))
        refs = rescue_refs.keep(self._repo, run_id, session.seq, loose, why=str(Reason.INTERRUPTED))
        self._repo.git("update-ref", ITSELF, "-m", "pitboss: put back", self.ref, base)
        self._tip = base
        return refs

    def _is_held(self, oid: str) -> bool:
        """Whether a ref or HEAD contains a commit, or git no longer has it."""
        if self._repo.commit_id(oid) is None or self._repo.is_ancestor(oid, "HEAD"):
            return True
        return bool(self._repo.git("for-each-ref", "--count=1", f"--contains={oid}"))

    def remove_stale_locks(self) -> tuple[Path, ...]:
        """Remove lock files of a dead git; raises StartError if a live one is at work here."""
        return remove_stale_locks(self._repo, lock_scope(self._repo, self.name))

    # Landing from elsewhere

    def reconcile(self, label: RescueLabel) -> tuple[str, ...]:
        """Accept what others committed on top of it; rescue and undo anything else they did to it.

        Returns the refs of what was rescued. Raises GitError.
        """
        known = self.tip
        if self._repo.is_at(self.ref, known):
            return ()
        found = self._repo.commit_id(self.ref)
        if found is not None and self._repo.is_ancestor(known, found):
            self._note(known, found, adds=True)
            return self.follow(label)
        self._put_back(known, label.seq)
        if found is None:
            return ()
        loose = commits.outside(self._repo, [found], known)
        refs = rescue_refs.keep(self._repo, label.run_id, label.seq, loose, why=str(Reason.HISTORY_REWRITTEN))
        return self._bring_back(found, label) or refs

    def _bring_back(self, found: str, label: RescueLabel) -> tuple[str, ...]:
        """Bring the user's checkout to the tip, from which others had moved the branch to `found`."""
        if self._checkout is None:
            return ()
        with self._catching_up() as (behind, tip):
            if behind is None:
                return self._checkout.follow(found, tip, label)
            return self._checkout.resume(tip, label)  # it may be where it was, or where they moved it

    def _put_back(self, commit: str, seq: int) -> None:
        order = ("--create-reflog", "-m", "pitboss: put back", self.ref, commit)
        self._write(*order, seq=seq, options=NO_HOOKS)

    def _write(self, *what: str, seq: int = 0, options: tuple[str, ...] = ()) -> None:
        """Let git write the branch, also if its file names no commit now, or another branch has its name for a folder.

        What that other one holds is rescued for session `seq`.
        """
        order = (*options, "update-ref", ITSELF, *what)
        try:
            self._repo.git(*order)
        except GitError as error:
            if not self._makes_way(error, seq):
                raise
            self._repo.git(*order)

    def _makes_way(self, error: GitError, seq: int) -> bool:
        """Whether what kept git from writing the branch is gone now."""
        if error.ref_is_broken:
            return self._repo.drop_broken_ref(self.ref)
        return makes_way(self._repo, self.name.rpartition("/")[2], seq, self.name, error)

    def advance(self, new: str, seq: int, *, adds: bool = True) -> None:
        """Advance the branch to `new`, a descendant of its tip, in which session `seq` lands.

        `adds` says whether `new` may add files, for which something in the user's checkout may be in the way. The
        checkout does not move yet: see `follow`. Raises BranchMoved, and GitError.
        """
        old = self.tip
        try:
            self.mover.move(old, new, seq, self.finished)
        except GitError as error:
            if self._repo.commit_id(self.ref) == old:
                raise
            raise BranchMoved from error
        self.has_advanced = True
        self._note(old, new, adds=adds)
        made = read_new(self._repo, new)
        if made is not None:
            self._tree = new, made.tree
            self._line.add(new, made.parents)

    def _note(self, old: str, new: str, *, adds: bool) -> None:
        """Note that the branch has moved, and the user's checkout has not."""
        with self._noting:
            behind = self._behind or _Behind(old, adds=False)
            self._behind = _Behind(behind.at, adds=behind.adds or adds)
            self._tip = new

    @contextmanager
    def _catching_up(self) -> Iterator[tuple[_Behind | None, str]]:
        """Where the user's checkout is if it has to follow, and the tip: in here, the caller brings it there."""
        with self._following:
            with self._noting:
                behind, self._behind = self._behind, None
                tip = self.tip
            try:
                yield behind, tip
            except BaseException:
                if behind is not None:
                    with self._noting:
                        self._behind = _Behind(behind.at, adds=True)
                raise

    def follow(self, label: RescueLabel) -> tuple[str, ...]:
        """Bring the user's checkout to the tip, unless another thread has just done so for several landings at once.

        When this returns, it holds all that the caller landed. Changes in it stay unless they are in the way; then
        they are rescued under the returned refs. Raises GitError if the disk is full.
        """
        if self._checkout is None:
            return ()
        with self._catching_up() as (behind, tip):
            return self._checkout.follow(behind.at, tip, label, adds=behind.adds) if behind else ()

    def resume_checkout(self, label: RescueLabel) -> tuple[str, ...]:
        """Bring the user's checkout to the tip, if a dead runner moved the branch but not the checkout.

        Returns the refs of what was rescued. Raises GitError.
        """
        with self._catching_up() as (_, tip):
            return self._checkout.resume(tip, label) if self._checkout else ()

    def retry_checkout(self, label: RescueLabel, *, wait_s: float) -> None:
        """Bring the user's checkout to the tip, if the user's own git kept it from following.

        That git gets `wait_s` seconds to end. Raises StartError, which says how to do it by hand, and GitError.
        """
        if self._checkout:
            self._checkout.retry(self.tip, label, wait_s=wait_s)
