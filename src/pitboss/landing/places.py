"""The places of a run's sessions: in the user's tree, one at a time, or side by side in slots (SPEC 5, 6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.core.measures import first_few
from pitboss.core.session import Location
from pitboss.errors import FULL, StartError
from pitboss.git.errors import GitError
from pitboss.git.locks import WAIT_S, remove_stale_locks
from pitboss.git.switch import HeadPosition, Switch
from pitboss.landing.in_place import InPlace
from pitboss.landing.refs import lock_scope, session_branch
from pitboss.landing.rescuer import RescuePolicy
from pitboss.landing.session_tree import SessionTree
from pitboss.landing.slot_place import SlotPlace
from pitboss.landing.slots import SlotPool
from pitboss.landing.turns import MOST_BEHIND_S, Turns
from pitboss.landing.user_checkout import RescueLabel
from pitboss.landing.worktrees import HOLD, hold_branch, remove_worktree

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pitboss.core.session import Assignment
    from pitboss.landing.site import Site

_MOST_NAMED = 5
PROBE_BYTES = 64 * 1024
"""What git needs to write a few objects."""


class GitPlaces:
    """The places of one run in git. Failures of git are raised; `landing.resilient` handles them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._repo = site.repo
        self._branch = site.branch
        self._switch = Switch(site.repo, site.paths.switch)
        self._pool = SlotPool(site)
        policy = RescuePolicy(paths=site.paths, ignored_limit=site.ignored_limit)
        self._tree = SessionTree(site.repo, site.branch.name, policy)
        self._turns = Turns()

    def open(self) -> None:
        """The run is about to begin: check out its branch, or make sure nobody has if sessions work elsewhere.

        Raises StartError if that fails.
        """
        if self._branch.checked_out:
            self._check_out()
            return
        try:
            hold_branch(self._repo, self._site.run_id, self._branch.name)
        except GitError as error:
            if "already checked out" not in error.stderr and "already used" not in error.stderr:
                raise
            raise StartError(
                f"the run branch {self._branch.name} is checked out, and sessions are to land on it from elsewhere",
                hint="`git switch` to another branch, then try again",
            ) from error

    def _check_out(self) -> None:
        if self._repo.on_branch() == self._branch.ref:
            return
        position = HeadPosition(commit=self._branch.tip, branch=self._branch.name)
        if obstacle := self._switch.obstacle(position):
            raise StartError(
                f"the run branch {self._branch.name} cannot be checked out: {obstacle}",
                hint="resolve that, then try again",
            )
        self._switch.to(position)

    def restore_checkout(self, name: str) -> HeadPosition:
        """The run is over: check out what was checked out before it (`RunState.return_to`).

        Raises GitError, and StartError with the reason if the checkout has to stay where it is.
        """
        if self._repo.on_branch() != self._branch.ref or name == self._branch.name:
            return HeadPosition.now(self._repo.status())
        back = HeadPosition.named(self._repo, name)
        if back is None:
            raise StartError(f"{name} is gone")
        look_ahead, look_around = self._switch.begin_look(back), self._repo.begin_status()
        try:
            prospect = look_ahead()
        finally:
            status = look_around()
        if status.dirty:
            named = f": {first_few(status.few_paths, _MOST_NAMED)}" if status.few_paths else ""
            raise StartError(f"the working tree has changes that did not land{named}")
        if prospect.obstacle:
            raise StartError(prospect.obstacle)
        silent = self._switch.to(back)
        if (prospect.may_reveal or not silent) and self._repo.status().dirty:
            # Files that only the run's branch ignores or places would get in the next run's way.
            self._switch.to(HeadPosition.now(status))
            raise StartError("files would show there that belong to this branch")
        return back

    def close(self) -> None:
        """No more sessions will run: remove the working copies.

        Raises GitError, and StartError if the user's tree cannot be brought to the run branch's tip.
        """
        label = RescueLabel.of(self._site.run_id, 0, "the run")
        try:
            if self._pool.is_used or self._branch.has_advanced:
                self._branch.reconcile(label)  # for sessions that ended after the last landing
        finally:
            self._pool.close()
        if not self._branch.checked_out:
            remove_worktree(self._repo, self._site.run_id, str(self._site.paths.worktrees / HOLD))
        self._branch.retry_checkout(label, wait_s=WAIT_S)

    def reserve(self, seq: int, *, in_slot: bool) -> Location:
        """Choose the place of session `seq`; nothing is created yet. Raises GitError."""
        if not in_slot:
            return Location(base_commit=self._branch.tip)
        return Location(
            base_commit=self._branch.tip,
            worktree=self._pool.reserve(),
            branch=session_branch(self._branch.name, seq),
        )

    def withdraw(self, session: Assignment) -> None:
        """The session is not to begin after all: free what `reserve` chose for it."""
        if session.worktree is not None:
            self._pool.free(session.worktree)

    def at(self, session: Assignment) -> InPlace | SlotPlace:
        """A session's place as a new process sees it: anything done there was done by another process."""
        if session.worktree is None:
            return InPlace(self._site, self._tree, session)
        return SlotPlace(self._site, self._pool, session)

    def is_landing(self) -> bool:
        """Whether any session has a turn or is waiting for one."""
        return self._turns.taken

    def turn(self) -> AbstractContextManager[None]:
        """Wait for a turn to land: one session at a time, first come, first served."""
        return self._turns.turn()

    def let_others_land(self) -> None:
        """Wait a moment for those that have a turn or wait for one: the user's checkout then follows once for all."""
        if self._branch.checked_out:
            self._turns.let_others_go_first(MOST_BEHIND_S)

    # When git fails

    def clear_locks(self) -> None:
        """Remove the locks of dead git processes. Raises StartError if a live one holds them."""
        remove_stale_locks(self._repo, lock_scope(self._repo, self._branch.name), wait_s=0.0)

    def disk_is_full(self) -> bool:
        """Whether even a little cannot be written beside git's own files: git does not always report a full disk."""
        from tempfile import TemporaryFile

        try:
            with TemporaryFile(dir=self._repo.git_dir) as file:
                file.write(bytes(PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return error.errno in FULL
        return False
