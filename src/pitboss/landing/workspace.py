"""Where sessions work: in the user's tree, one at a time, or side by side in slots (SPEC 5, 6)."""

from __future__ import annotations

import os
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pitboss.core.session import Location
from pitboss.errors import FULL, StartError
from pitboss.git.errors import GitError
from pitboss.git.hidden import LIMIT
from pitboss.git.locks import WAIT_S, remove_stale_locks
from pitboss.git.switch import Spot, Switch
from pitboss.landing.landed import landed_sessions
from pitboss.landing.refs import lock_scope, session_branch
from pitboss.landing.run_branch import RescueWords
from pitboss.landing.session_tree import SessionTree
from pitboss.landing.slots import Slots
from pitboss.landing.turns import Turns
from pitboss.landing.worktree import HOLD, hold_branch, remove_worktree

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from pitboss.core.config import WorktreeSettings
    from pitboss.core.session import Assignment, Landing
    from pitboss.git.repo import Repo
    from pitboss.landing.run_branch import RunBranch
    from pitboss.store.paths import RunPaths

EDITOR_S = 30.0
"""How long a `git commit` of the user's may keep a session in the same tree from beginning."""

PROBE_BYTES = 64 * 1024
"""What git needs to write a few objects."""


class Workspace:
    """The places of a run's sessions (`engine.ports.Workspace`); each session is led to its own by what it says."""

    def __init__(
        self,
        repo: Repo,
        branch: RunBranch,
        paths: RunPaths,
        settings: WorktreeSettings,
        ignored_limit: int = LIMIT,
    ) -> None:
        self._repo = repo
        self._branch = branch
        self._paths = paths
        self._switch = Switch(repo, paths.switch)
        self._slots = Slots(repo, branch, paths, settings, ignored_limit)
        self._tree = SessionTree(repo, branch.name, paths=paths, ignored_limit=ignored_limit)
        self._turns = Turns()

    def open(self) -> None:
        """The run is about to begin: check its branch out, or see that nobody has if sessions work elsewhere.

        Raises StartError when that cannot be.
        """
        if self._branch.checked_out:
            self._check_out()
            return
        try:
            hold_branch(self._repo, self._paths.run_id, self._branch.name)
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
        spot = Spot(commit=self._branch.tip, branch=self._branch.name)
        if obstacle := self._switch.obstacle(spot):
            raise StartError(
                f"the run branch {self._branch.name} cannot be checked out: {obstacle}",
                hint="see to that, then try again",
            )
        self._switch.to(spot)

    def go_back(self, name: str) -> Spot:
        """The run is over: check out what was before it (`RunState.return_to`).

        Raises StartError, which says why the checkout stays where it is, and GitError.
        """
        status = self._repo.status()
        back = Spot.named(self._repo, name)
        if status.branch != self._branch.name or name == self._branch.name:
            return Spot.now(status)
        if back is None:
            raise StartError(f"{name} is gone")
        if status.dirty:
            raise StartError("the working tree has changes that no session made")
        if obstacle := self._switch.obstacle(back):
            raise StartError(obstacle)
        self._switch.to(back)
        if self._repo.status().dirty:
            # What only the run's branch ignores, or has a place for, would be in the way of the next run.
            self._switch.to(Spot.now(status))
            raise StartError("files would show there that belong to this branch")
        return back

    def close(self) -> None:
        """No session will run any more: remove the working copies.

        Raises GitError, and StartError when the user's tree cannot be brought to the run branch's tip.
        """
        self._slots.close()
        if not self._branch.checked_out:
            remove_worktree(self._repo, self._paths.run_id, str(self._paths.worktrees / HOLD))
        self._branch.catch_up(RescueWords.of(self._paths.run_id, 0, "the run"), wait_s=WAIT_S)

    def clear_locks(self) -> None:
        """Remove the locks of git processes that died. Raises StartError when a live one holds them."""
        remove_stale_locks(self._repo, lock_scope(self._repo, self._branch.name), wait_s=0.0)

    def disk_is_full(self) -> bool:
        """Whether a little cannot be written beside git's own files: git does not always say so itself."""
        try:
            with TemporaryFile(dir=self._repo.git_dir) as file:
                file.write(bytes(PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            return error.errno in FULL
        return False

    def reserve(self, seq: int, *, in_slot: bool) -> Location:
        """Choose the place of session `seq`; nothing is made as yet."""
        if not in_slot:
            return Location(base_commit=self._branch.tip)
        return Location(
            base_commit=self._branch.tip,
            worktree=self._slots.reserve(),
            branch=session_branch(self._branch.name, seq),
        )

    def path(self, session: Assignment) -> str:
        """The absolute path of the tree that the session works in."""
        return str(self._slots.path(session.worktree) if session.worktree else self._repo.root)

    def prepare(self, session: Assignment) -> bool:
        """Make the session's place ready; False for a working copy that has yet to be furnished.

        Raises GitError, and StartError when the user's tree cannot be brought to where the session begins.
        """
        if session.worktree:
            return self._slots.prepare(session)
        words = RescueWords.of(self._paths.run_id, session.seq, session.prompt)
        self._branch.catch_up(words, wait_s=EDITOR_S)
        self._tree.begin(session.seq)
        return True

    def furnish(self, session: Assignment) -> Sequence[str]:
        """Copy into a new working copy what git does not bring there; returns what to warn of."""
        return self._slots.furnish(session)

    def furnished(self, session: Assignment) -> None:
        """The working copy is as sessions need it; what that changed in files that git knows is taken back."""
        self._slots.furnished(session)

    def commit(self, session: Assignment, message: str) -> None:
        """Put the session's work on a branch of its own, if it has one, so that its turn to land is short."""
        if session.worktree:
            self._slots.commit(session, message)

    def turn(self) -> AbstractContextManager[None]:
        """Wait for one's turn to land: one session at a time, first come, first served."""
        return self._turns.turn()

    def is_behind(self, session: Assignment) -> bool:
        """Whether others have landed what the session's tree does not hold."""
        return session.worktree is not None and self._slots.is_behind(session)

    def catch_up(self, session: Assignment, message: str) -> bool:
        """Bring that into the session's tree; False when it cannot be, as landing will then tell."""
        return self._slots.catch_up(session, message)

    def land(self, session: Assignment, message: str) -> Landing:
        """Put the session's work on the run branch; what cannot go there is rescued (SPEC 6). Raises GitError."""
        if session.worktree:
            return self._slots.land(session, message)
        landing = self._tree.land(session, message)
        self._branch.moved_to(landing.commit or session.base_commit)
        return landing

    def rescue(self, session: Assignment) -> Landing:
        """Keep all of the session's work under rescue refs. Raises GitError."""
        if session.worktree:
            return self._slots.rescue(session)
        landing = self._tree.rescue(session)
        self._branch.moved_to(session.base_commit)
        return landing

    def rescue_late(self, session: Assignment) -> Landing:
        """As `rescue`, for a session that has its record: what others landed since then stays where it is."""
        tip = self._branch.tip
        since = landed_sessions(self._repo, self._paths.run_id, tip, session.base_commit)
        if session.worktree is None and since.keys() - {session.seq}:
            session = replace(session, base_commit=tip)
        return self.rescue(session)

    def take_back(self, session: Assignment) -> Sequence[str]:
        """Rescue what the session committed, without a look at its tree; returns the refs. Raises GitError."""
        return self._branch.take_back(session)

    def release(self, session: Assignment) -> None:
        """Nobody needs the session's place any more. Raises GitError."""
        if session.worktree:
            self._slots.release(session)
