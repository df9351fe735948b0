"""Working copies that parallel sessions use in turn: created once, then moved from commit to commit (SPEC 6).

A plain move costs two to five git calls: a status proves that the tree holds nothing of its own, then git touches only
what differs. Anything else (uncommitted changes, commits, flags in the index, changed ignore rules or attributes,
submodules, a crash) takes the careful path: everything is kept under rescue refs, then the tree is reset to the commit.
A working copy that even this cannot repair is recreated.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pitboss.core.text import rescue_message
from pitboss.git import commits, nested, snapshot
from pitboss.git.errors import GitError
from pitboss.git.index import read_index
from pitboss.git.linked_worktree import link_worktree
from pitboss.git.locks import remove_locks_of
from pitboss.git.presence import expect_there
from pitboss.git.ref_changes import ITSELF
from pitboss.git.repo import NO_HOOKS
from pitboss.git.small_files import content_of, is_head, text_of
from pitboss.git.sparse import is_sparse
from pitboss.git.status import TreeStatus
from pitboss.git.tree_changes import added, changes, is_taken
from pitboss.landing import rescue_refs, unseen
from pitboss.landing.refs import run_branch
from pitboss.landing.rescue_refs import rescue_commit
from pitboss.landing.slot_settings import SETTINGS, settings_in
from pitboss.landing.worktrees import inner_work, remove_session_branch, remove_worktree
from pitboss.store.files import make_directory
from pitboss.store.opening import is_folder
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pitboss.git.glance import Glances
    from pitboss.git.repo import Repo
    from pitboss.git.tree_changes import Changes

RELEASED = b"pitboss: released"
_REFLOG_TAIL = 8192
# Git reads what other worktrees have checked out, and fails if one is being created.
_MAKING = threading.Lock()
_HALF_MADE = "initializing"
"""The reason git gives for locking a working copy while creating it."""
_SMALL_INDEX = 200_000
_GITDIR = "gitdir: "
_CHECKOUT = (*NO_HOOKS, "checkout", "--quiet", "--no-track")
_RULES = (".gitattributes", ".gitignore")


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
        self._session = re.compile(rf"{re.escape(run_branch(run_id))}-session-(\d+)".encode())

    def prepare(self, branch: str, base: str, *, seq: int) -> bool:
        """Check out the new `branch` at the commit `base`: tracked files as in `base`, nothing untracked.

        Whatever neither the run branch nor a rescue ref holds is rescued first, under the name of the session that
        used the working copy before, else of session `seq`. True if it was newly made, and so still needs its copied
        files and set-up. May be repeated after a crash. Raises GitError, and StartError if a live git holds a lock
        in it.
        """
        made = self._prepare(branch, base, seq)
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
            self._move_carefully(repo, branch, base, seq=seq, rescuing=not half_made)
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
            repo.git(*NO_HOOKS, "update-ref", ITSELF, "-m", RELEASED.decode(), "HEAD", left_at)
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
        link = self.path / ".git"
        said = text_of(link)
        git_dir = self._registered_at(link, said)
        if git_dir is None:
            expect_there(self._repo)
            git_dir = self._registered_at(link, said)
        if git_dir is None:
            return None
        if said != (right := f"{_GITDIR}{git_dir}\n"):
            if link.is_dir() and not link.is_symlink():
                return None  # an agent's own repository: kept as files, and the working copy recreated
            link.unlink(missing_ok=True)
            link.write_bytes(os.fsencode(right))
        if self._as_repo is None or self._as_repo.git_dir != git_dir:
            self._as_repo = self._repo.worktree(self.path, git_dir, settings=settings_in(self.path.parent))
        return self._as_repo

    def _registered_at(self, link: Path, said: str) -> Path | None:
        """Git's folder for this working copy, whose `.git` file, at `link`, has said where; None if unusable."""
        here = str(link)
        named = Path(said.removeprefix(_GITDIR).rstrip("\n"))
        folder = self._repo.common_dir / "worktrees"
        if named.parent == folder and text_of(named / "gitdir").rstrip("\n") == here:
            place: Path | None = named
        else:
            known = sorted(folder.iterdir()) if folder.is_dir() else ()
            place = next((each for each in known if text_of(each / "gitdir").rstrip("\n") == here), None)
        return place if place is not None and _is_sound(place, self._repo.common_dir) else None

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
        if not link_worktree(self._repo, self.path, base, reason=_HALF_MADE):
            self._have_it_added(base)
        repo = self.opened()
        if repo is None:
            raise GitError(("git", *_CHECKOUT), f"{self.path} was removed while it was made", code=0)
        repo.git(*_CHECKOUT, "-b", branch, base, "--")
        repo.inside("locked").unlink(missing_ok=True)

    def _have_it_added(self, base: str) -> None:
        settings = [word for key, value in SETTINGS.items() for word in ("-c", f"{key}={value}")]
        half_made = ("--no-checkout", "--lock", "--reason", _HALF_MADE)
        with _MAKING:
            self._repo.git(
                *settings,
                *NO_HOOKS,
                *("worktree", "add", "--quiet", *half_made, "--detach", "--", str(self.path), base),
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
            _sweep(repo, ignored_too=True)
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
        return (
            TreeStatus(head=self._left_at, branch=self.branch, unborn=False, dirty=0)
            if self._left_at is not None and self.is_untouched(repo)
            else None
        )

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
            if not (_is_released(repo, status) or repo.is_ancestor(status.head, base)):
                return False
        changed = changes(repo, status.head, base)
        return not _are_rules(changed) and not is_taken(repo.root, added(changed))

    def _is_as_left(self, status: TreeStatus) -> bool:
        """Whether HEAD is where the previous session, in this process, left it."""
        return self._left_at is not None and (status.branch, status.head) == (self.branch, self._left_at)

    # The careful path

    def _move_carefully(self, repo: Repo, branch: str, base: str, *, seq: int, rescuing: bool) -> None:
        remove_locks_of(repo)
        head = repo.commit_id("HEAD")
        self._mend_index(repo, head or base)
        status = repo.status()
        owner = self._last_session(repo, status) or self.used_by or seq
        if rescuing:
            self._rescue(repo, status, base, owner)
        snapshot.abandon_operations(repo)
        self._empty(repo, head or base)
        if head is None or _are_rules(changes(repo, head, base)):
            repo.inside("index").unlink(missing_ok=True)  # so that every file is written again
        self._check_out(repo, branch, base, seq)
        revealed = repo.status()
        if revealed.dirty and rescuing:
            self._rescue(repo, revealed, base, owner)
        self._empty(repo, base)

    def _mend_index(self, repo: Repo, commit: str) -> None:
        """Rebuild an index that may hide something. Sparse checkouts need their marks."""
        index = read_index(repo, commit)
        if (index is None or not index.plain) and not is_sparse(repo):
            repo.inside("index").unlink(missing_ok=True)
            repo.git("read-tree", commit)

    def _empty(self, repo: Repo, commit: str) -> None:
        """Reset all tracked files to a commit and delete the others, which have been kept by then."""
        repo.git(*NO_HOOKS, "read-tree", "--reset", "-u", commit)
        _sweep(repo, ignored_too=self._clean == "all")

    def _check_out(self, repo: Repo, branch: str, base: str, seq: int) -> None:
        ref = f"refs/heads/{branch}"
        tip = repo.commit_id(ref)
        if tip not in (None, base):
            rescue_commit(self._repo, self._run_id, seq, str(tip))
        repo.git(*NO_HOOKS, "read-tree", "--reset", "-u", base)
        repo.git(*NO_HOOKS, "update-ref", ITSELF, "-m", f"pitboss: for {self.name}", ref, base)
        repo.git(*NO_HOOKS, "symbolic-ref", "-m", f"pitboss: to {branch}", "HEAD", ref)
        for inner in nested.linked_ones(repo, repo.status(), base, everywhere=False):
            if inner.recorded is not None:
                nested.put_back(repo, inner, inner.recorded)

    def _rescue(self, repo: Repo, status: TreeStatus, base: str, seq: int) -> None:
        """Keep what the working copy holds beyond the run branch and the rescue refs."""
        message = rescue_message(prompt=self.name, seq=seq, run_id=self._run_id, reason="left over")
        tips = snapshot.autostashes(repo)
        if status.head and not (self._is_as_left(status) or _is_released(repo, status)):
            tips.append(status.head)
        tips += inner_work(repo, self._inner(repo, status, base), run_id=self._run_id, message=message)
        if self._clean == "all" or _meets_something(repo, status, base):
            keep_in = RunPaths(self._repo.root, self._run_id).set_aside(seq)
            tips += unseen.keep_hidden(repo, message=message, keep_in=keep_in)
        if status.dirty:
            tips.insert(0, snapshot.snapshot(repo, status, message=message, base=base))
        for tip in commits.outside(repo, tips, base):
            same = [base, status.head or base, *(r.oid for r in self._kept(seq))]
            if tip == status.head or not any(
                repo.succeeds("diff-tree", "--quiet", tip, oid, "--") for oid in same
            ):
                rescue_commit(self._repo, self._run_id, seq, tip)

    def _inner(self, repo: Repo, status: TreeStatus, base: str) -> list[nested.Inner]:
        """Repositories inside that may hold work; ones among ignored files only if those get deleted too."""
        found = nested.linked_ones(repo, status, base, everywhere=True)
        found += nested.new_ones(repo, snapshot.new_paths(repo, status))
        return found + (nested.below(repo, ".") if self._clean == "all" else [])

    def _kept(self, seq: int) -> tuple[rescue_refs.Rescued, ...]:
        return rescue_refs.list_rescued(self._repo, self._run_id, seq)

    def _last_session(self, repo: Repo, status: TreeStatus) -> int | None:
        """The session whose branch HEAD is on, or was on last."""
        on = self._session.fullmatch(os.fsencode(status.branch or ""))
        found = [on[1]] if on else self._session.findall(_reflog_tail(repo))
        return int(found[-1]) if found else None


def _is_sound(git_dir: Path, common_dir: Path) -> bool:
    """Whether git can use its administrative folder for a working copy, and would write nowhere else."""
    if git_dir.is_symlink() or not is_head(content_of(git_dir / "HEAD")):
        return False
    leads_to = text_of(git_dir / "commondir").rstrip("\n")
    try:
        return bool(leads_to) and (git_dir / leads_to).samefile(common_dir)
    except OSError:
        return False


def _is_half_made(repo: Repo) -> bool:
    """Whether git was killed while creating the working copy: then nobody can have worked there."""
    return text_of(repo.inside("locked")).startswith(_HALF_MADE)


def _is_released(repo: Repo, status: TreeStatus) -> bool:
    """Whether HEAD is where the last release left it: that session's work has landed, in some form."""
    last = _reflog_tail(repo).rstrip(b"\n").rpartition(b"\n")[2]
    _, new, *_ = [*last.split(b" ", 2), b"", b""]
    return status.branch is None and last.endswith(b"\t" + RELEASED) and new == os.fsencode(status.head)


def _are_rules(changed: Changes) -> bool:
    """Whether ignore rules or attributes are among the changes."""
    return any(path.rpartition("/")[2] in _RULES for path in changed)


def _meets_something(repo: Repo, status: TreeStatus, base: str) -> bool:
    return bool(status.head) and is_taken(repo.root, added(changes(repo, status.head, base)))


def _sweep(repo: Repo, *, ignored_too: bool) -> None:
    repo.git("clean", "-ffdq", *(("-x",) if ignored_too else ()))


def _reflog_tail(repo: Repo) -> bytes:
    try:
        with repo.inside("logs", "HEAD").open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _REFLOG_TAIL))
            return log.read()
    except OSError:
        return b""
