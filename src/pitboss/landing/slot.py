"""Working copies that parallel sessions use in turn: created once, then moved from commit to commit (SPEC 6).

A plain move costs two to five git calls: a status proves that the tree holds nothing of its own, then git touches only
what differs. Anything else (uncommitted changes, commits, flags in the index, changed ignore rules or attributes,
submodules, a crash) takes the careful path: everything is kept under rescue refs, then the tree is reset to the commit.
A working copy that even this cannot repair is recreated.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Literal

from pitboss.git import snapshot
from pitboss.git.errors import GitError
from pitboss.git.home import HeldFolder, identity_of, move_back
from pitboss.git.index import read_index
from pitboss.git.linked_worktree import ADD_BY_GIT, link_worktree
from pitboss.git.move_out import move_out
from pitboss.git.ref_changes import ITSELF
from pitboss.git.repo import NO_HOOKS
from pitboss.git.small_files import text_of
from pitboss.git.status import TreeStatus
from pitboss.git.tree_changes import added, changes, is_taken
from pitboss.git.worktree_link import follow_move, linked_git_dir, tree_on_branch
from pitboss.landing import unseen
from pitboss.landing.listing import HALF_MADE
from pitboss.landing.slot_reset import SlotReset, sweep, touch_rules
from pitboss.landing.slot_settings import SETTINGS, settings_in
from pitboss.landing.slot_traces import RELEASED, is_released
from pitboss.landing.worktrees import remove_session_branch, remove_worktree
from pitboss.store.files import make_directory
from pitboss.store.opening import is_folder
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.git.glance import Glances
    from pitboss.git.repo import Repo

# Git reads what other worktrees have checked out, and fails if one is being created.
_MAKING = threading.Lock()
_SMALL_INDEX = 200_000
_CHECKOUT = (*NO_HOOKS, "checkout", "--quiet", "--no-track")


class Slot:
    """One reusable working copy, at `path`; `clean` says whether ignored files, too, are deleted between sessions.

    For one thread at a time; several slots of a repository may be used at once.
    """

    def __init__(
        self, repo: Repo, run_id: str, path: Path, *, clean: Literal["untracked", "all"] = "untracked"
    ) -> None:
        self.path = path
        self.name = path.name
        self._repo = repo
        self._run_id = run_id
        self._clean = clean
        self.used_by: int | None = None
        self.branch: str | None = None
        """The session branch that its HEAD is on, as far as this process knows."""
        self._left_at: str | None = None
        self.provisioned = False
        """Whether it has been provisioned since its creation."""
        self._as_repo: Repo | None = None
        self._glances: Glances | None = None
        self._held: HeldFolder | None = None

    def prepare(self, branch: str, base: str, *, seq: int) -> bool:
        """Check out the new `branch` at the commit `base`: tracked files as in `base`, nothing untracked.

        Whatever neither the run branch nor a rescue ref holds is rescued first, under the name of the session that
        used the working copy before, else of session `seq`. True if it was newly made, and so still needs its copied
        files and set-up. May be repeated after a crash. Raises GitError, and StartError if a live git holds a lock
        in it.
        """
        made = self._prepare(branch, base, seq)
        self._held = self._hold()
        self.used_by, self.branch, self._left_at = seq, branch, None
        return made

    def _prepare(self, branch: str, base: str, seq: int) -> bool:
        repo = self.opened()
        if repo is None:
            self._make(branch, base, seq)
            return True
        if half_made := _is_half_made(repo):
            repo.inside("index").unlink(missing_ok=True)
        try:
            if not half_made and self._move(repo, branch, base):
                return False
        except GitError:
            pass  # the careful path will hit the same problem
        try:
            self._reset(repo).to(branch, base, seq=seq, used_by=self.used_by, rescuing=not half_made)
        except GitError:
            self._make(branch, base, seq)
            return True
        repo.inside("locked").unlink(missing_ok=True)
        return half_made

    def leave(self, branch: str, settled: str) -> None:
        """The session of `branch` is done with it; its work, in the commit `settled`, has landed or been rescued.

        HEAD stays on the branch, which must therefore exist until the slot is prepared for another session.
        """
        self.branch, self._left_at = branch, settled

    def let_go(self) -> None:
        """Detach HEAD from the branch it was left on. Raises GitError."""
        left_at, repo = self._left_at, self.opened()
        if left_at is not None and repo is not None and self.is_where_left(repo):
            repo.git(*NO_HOOKS, "update-ref", ITSELF, "-m", RELEASED, "HEAD", left_at)
        self.branch, self._left_at = None, None

    def is_where_left(self, repo: Repo) -> bool:
        """Whether HEAD is still on the last session's branch."""
        return repo.on_branch() == f"refs/heads/{self.branch}"

    def glances(self, repo: Repo) -> Glances:
        """The looks at the working copy, opened as `repo`, which serve one session after another."""
        from pitboss.git.glance import Glances  # not needed until an agent ends

        self._glances = self._glances or Glances(repo)
        return self._glances

    def opened(self) -> Repo | None:
        """The working copy as a repository, its `.git` file repaired if need be; None if it is unusable.

        Raises GitError if git's folder is away: a session's agent may just be moving it.
        """
        if not is_folder(self.path):
            return None
        git_dir = linked_git_dir(self._repo, self.path)
        if git_dir is None:
            return None
        if self._as_repo is None or self._as_repo.git_dir != git_dir:
            self._as_repo = self._repo.worktree(self.path, git_dir, settings=settings_in(self.path.parent))
        return self._as_repo

    # Moved by somebody

    def bring_back(self, branch: str, *, seq: int) -> str | None:
        """Put the working copy back where it belongs if somebody moved it; returns a warning if so. Raises OSError.

        What has taken its place is kept with the repositories that had to leave the tree of session `seq`. A process
        that has not prepared it knows where it is if git does: on `branch`.
        """
        moved = self._moved_to(branch)
        if moved is None:
            return None
        keep_in = RunPaths(self._repo.root, self._run_id).nested(seq)
        make_directory(self.path.parent)
        stand_ins = move_back(moved, self.path, lambda _, name: move_out(self.path.parent, name, keep_in))
        follow_move(self._repo, self.path, moved)
        self._held = self._hold()
        kept = f"; what had taken its place is kept as {', '.join(map(str, stand_ins))}" if stand_ins else ""
        return f"its working copy had been moved to {moved}, and was moved back{kept}"

    def _moved_to(self, branch: str) -> Path | None:
        """Where the working copy is now, if not in its place."""
        if self._held is not None:
            return self._held.moved_to()
        known = None if is_folder(self.path) else tree_on_branch(self._repo, branch)
        return known if known != self.path else None

    def _hold(self) -> HeldFolder:
        held = self._held
        return held if held and held.identity == identity_of(self.path) else HeldFolder(self.path)

    # Making

    def _make(self, branch: str, base: str, seq: int) -> None:
        self._glances = None  # git may keep the new one elsewhere
        if not os.path.lexists(self.path):
            try:
                self._add(branch, base)
            except GitError:
                pass  # remains of a crash: kept, then out of the way
            else:
                return
        remove_worktree(self._repo, self._run_id, str(self.path), seq=seq)
        remove_session_branch(self._repo, self._run_id, branch)
        self._add(branch, base)

    def _add(self, branch: str, base: str) -> None:
        """Create the working copy. Until its files are written it is half made; others may be made meanwhile."""
        make_directory(self.path.parent)
        if not link_worktree(self._repo, self.path, base, reason=HALF_MADE):
            self._have_it_added(base)
        repo = self.opened()
        if repo is None:
            raise GitError(("git", *_CHECKOUT), f"{self.path} was removed while it was made", code=0)
        repo.git(*_CHECKOUT, "-b", branch, base, "--")
        repo.inside("locked").unlink(missing_ok=True)

    def _have_it_added(self, base: str) -> None:
        settings = [word for key, value in SETTINGS.items() for word in ("-c", f"{key}={value}")]
        half_made = ("--no-checkout", "--lock", "--reason", HALF_MADE)
        with _MAKING:
            self._repo.git(
                *settings,
                *NO_HOOKS,
                *(*ADD_BY_GIT, *half_made, "--detach", "--", str(self.path), base),
            )

    # Moving

    def _move(self, repo: Repo, branch: str, base: str) -> bool:
        """Move a working copy that holds nothing of its own; False if that is not certain."""
        index = read_index(repo, base)
        if index is None or not index.plain:
            return False
        status = self._known_status(repo) or repo.status(writing=not index.has_untracked_cache)
        if not self._is_plain(repo, status):
            return False
        if status.head != base and not self._is_plain_move(repo, status, base):
            return False
        if self._clean == "all":
            if unseen.holds_unseen(repo):
                return False
            sweep(repo, ignored_too=True)
        self._go(repo, status, branch, base)
        return True

    def _go(self, repo: Repo, status: TreeStatus, branch: str, base: str) -> None:
        if repo.inside("index").stat().st_size <= _SMALL_INDEX:
            repo.git(*_CHECKOUT, "-b", branch, base, "--")
            return
        # More calls than a checkout, but they touch only the files that change: the status has seen them all.
        if status.head != base:
            repo.git(*NO_HOOKS, "reset", "--quiet", "--keep", base)
        ref = f"refs/heads/{branch}"
        repo.git(*NO_HOOKS, "update-ref", ITSELF, ref, base, "")
        repo.git(*NO_HOOKS, "symbolic-ref", "-m", f"pitboss: to {branch}", "HEAD", ref)

    def _known_status(self, repo: Repo) -> TreeStatus | None:
        """What git would say of a working copy that is as its last session left it; None if git has to be asked."""
        if self._left_at is None or not self.is_untouched(repo):
            return None
        return TreeStatus(head=self._left_at, branch=self.branch, unborn=False, dirty=0)

    def is_untouched(self, repo: Repo) -> bool:
        """Whether nothing is in the working copy but what its last session committed; no if git would have to tell."""
        left_at = self._left_at
        return (
            left_at is not None
            and self.is_where_left(repo)
            and repo.is_at(f"refs/heads/{self.branch}", left_at)
            and self.glances(repo).is_untouched(left_at)
        )

    def _is_plain(self, repo: Repo, status: TreeStatus) -> bool:
        return (
            not (status.dirty or status.unborn or status.pitboss_visible)
            and not (self.path / ".gitmodules").exists()
            and snapshot.operation_underway(repo) is None
            and not snapshot.autostashes(repo)
        )

    def _is_plain_move(self, repo: Repo, status: TreeStatus, base: str) -> bool:
        """Whether leaving HEAD loses nothing, and unchanged files may stay as they are."""
        if not self._is_as_left(status):
            if status.branch is not None:
                return False
            if not (is_released(repo, status) or repo.is_ancestor(status.head, base)):
                return False
        changed = changes(repo, status.head, base)
        return not touch_rules(changed) and not is_taken(repo.root, added(changed))

    def _is_as_left(self, status: TreeStatus) -> bool:
        """Whether HEAD is where the previous session, in this process, left it."""
        return self._left_at is not None and (status.branch, status.head) == (self.branch, self._left_at)

    def _reset(self, repo: Repo) -> SlotReset:
        return SlotReset(
            self._repo, self._run_id, repo, ignored_too=self._clean == "all", is_as_left=self._is_as_left
        )


def _is_half_made(repo: Repo) -> bool:
    """Whether git was killed while creating the working copy: then nobody can have worked there."""
    return text_of(repo.inside("locked")).startswith(HALF_MADE)
