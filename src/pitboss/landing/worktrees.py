"""Working copies and branches of parallel sessions: rescued, then removed (SPEC 2, 7)."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.text import rescue_message
from pitboss.git import commits, nested, nested_work, snapshot
from pitboss.git.access import make_readable
from pitboss.git.errors import GitError
from pitboss.git.index import read_index
from pitboss.git.linked_worktree import ADD_BY_GIT, forget_worktree
from pitboss.git.merge import holds_all
from pitboss.git.ref_changes import ITSELF
from pitboss.git.repo import NO_HOOKS
from pitboss.git.small_files import text_of
from pitboss.landing import rescue_refs, unseen
from pitboss.landing.landed import is_own
from pitboss.landing.listing import registered
from pitboss.landing.refs import run_branch, session_of
from pitboss.landing.rescue_refs import rescue_commit
from pitboss.store.files import make_directory
from pitboss.store.opening import entry_at, is_folder, names_in, open_folder, remove_tree
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.git.repo import Repo
    from pitboss.landing.listing import Registered

HOLD = "run-branch"
GONE = "gone-"
"""Prefix of a working copy that is being deleted: all it held is kept elsewhere."""


class Settled(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions 1 to `last_seq` have their record: their commits have landed in some form, or been rescued.

    Files that one of `commits` holds are safe as well.
    """

    last_seq: int
    commits: tuple[str, ...]

    def covers(self, branch: str | None) -> bool:
        """Whether a working copy on `branch`, or on none, was last used by one of these sessions."""
        seq = session_of(branch or "")
        return branch is None or (seq is not None and seq <= self.last_seq)


def hold_branch(repo: Repo, run_id: str, branch: str) -> None:
    """Check out the run branch in an empty working copy, so that git lets nobody check it out elsewhere.

    May be repeated. Raises GitError if it is already checked out.
    """
    place = RunPaths(repo.root, run_id).worktrees / HOLD
    known = registered(repo).get(str(place))
    if known is not None and known.branch == branch and (place / ".git").is_file():
        return
    remove_worktree(repo, run_id, str(place))
    make_directory(place.parent)
    repo.git(*NO_HOOKS, *ADD_BY_GIT, "--no-checkout", str(place), branch)


def remove_worktree(
    repo: Repo, run_id: str, path: str, *, seq: int | None = None, settled: Settled | None = None
) -> None:
    """Rescue what a working copy holds beyond the run branch, then remove it. Raises GitError.

    Of `settled` sessions, only new files are rescued. What is rescued is named after the session whose branch is
    checked out there, else the session that the folder is named after, else `seq`, else session 0, when there is no
    telling whose it was.
    """
    known = registered(repo).get(path)
    if Path(path).name != HOLD and not Path(path).name.startswith(GONE):
        _rescue(repo, run_id, path, known, seq=seq, settled=settled)
    if known is not None:
        repo.git("worktree", "unlock", path, ok=(0, 128))
    _delete(path)
    repo.git("worktree", "prune")


class Discarded(msgspec.Struct, frozen=True, kw_only=True):
    """A working copy that was given up: where it is until it is deleted, and whether git has forgotten it."""

    place: Path
    forgotten: bool


def discard_worktree(worktree: Repo, *, looked: bool = False) -> Discarded | None:
    """Give up a working copy whose files, except ignored ones, are as in its commit; None if that is not certain.

    `looked`: the caller has seen that they are, and that there are no others. What git has not forgotten it forgets at
    the next `git worktree prune`. A crash before `delete_discarded` leaves what a resume deletes.
    """
    if not looked and not _is_as_committed(worktree):
        return None
    place = _out_of_the_way(worktree.root)
    if place == worktree.root:
        return None
    forgotten = _forget(worktree, place)
    if not forgotten:
        with suppress(OSError):
            worktree.inside("locked").unlink()  # by its agent; git would never forget it
    return Discarded(place=place, forgotten=forgotten)


def _forget(worktree: Repo, grave: Path) -> bool:
    try:
        opened = open_folder(grave)
    except OSError:
        return False
    try:
        return forget_worktree(worktree, opened)
    finally:
        os.close(opened)


def delete_discarded(places: Iterable[Path]) -> None:
    """Delete the folders of working copies that were given up, as far as that is possible."""
    for place in places:
        with suppress(OSError):
            remove_tree(place)


def _is_as_committed(worktree: Repo) -> bool:
    try:
        status = worktree.status()
    except GitError:
        return False
    index = read_index(worktree, status.head)
    odd = index is None or not index.plain or unseen.holds_unseen(worktree)
    return not (odd or status.dirty or status.unborn or status.pitboss_visible)


def remove_session_branch(repo: Repo, run_id: str, name: str, *, settled: Settled | None = None) -> None:
    """Rescue what only a session's branch holds unless it is `settled`, then delete the branch. Raises GitError.

    An agent may have moved a settled session's branch: then it holds something else.
    """
    tip, seq = repo.commit_id(f"refs/heads/{name}"), session_of(name) or 0
    covered = settled is not None and settled.covers(name)
    if tip is not None and not (covered and is_own(repo, tip, run_id=run_id, seq=seq)):
        rescue_commit(repo, run_id, seq, tip)
    if tip is not None:
        repo.git(*NO_HOOKS, "update-ref", ITSELF, "-d", f"refs/heads/{name}", tip)


def inner_work(repo: Repo, found: Iterable[nested.Inner], *, run_id: str, message: str) -> list[str]:
    """Commits, on no branch, of what repositories inside a tree hold beyond the run's rescue refs. Raises GitError."""
    every = nested.unique(found)
    known = [r.oid for r in rescue_refs.list_rescued(repo, run_id)] if every else []
    made = (
        nested_work.work_in(repo, inner, everything=True, message=message, known=known) for inner in every
    )
    return commits.outside(repo, [tip for tip in made if tip], *known)


def _rescue(
    repo: Repo,
    run_id: str,
    path: str,
    known: Registered | None,
    *,
    seq: int | None,
    settled: Settled | None,
) -> None:
    branch = known.branch if known is not None else None
    owner = session_of(branch or "") or session_of(Path(path).name) or seq or 0
    if settled is not None and not settled.covers(branch):
        settled = None
    head = known.head if known is not None else None
    half_made = known is not None and known.half_made
    if _has_files(path) and not half_made:
        _rescue_files(repo, run_id, path, head=head, seq=owner, settled=settled)
        _rescue_inner(repo, run_id, path, seq=owner)
        _rescue_hidden(repo, run_id, path, seq=owner)
    if head is not None and settled is None:
        rescue_commit(repo, run_id, owner, head)


def _has_files(path: str) -> bool:
    """Whether the folder exists and holds more than its link to git."""
    return any(name != ".git" for name in names_in(path))


def _rescue_files(
    repo: Repo, run_id: str, path: str, *, head: str | None, seq: int, settled: Settled | None
) -> None:
    """Commit the folder's files on top of where it began, unless they match what is committed there."""
    base = head or repo.line("rev-parse", f"refs/heads/{run_branch(run_id)}")
    make_readable(Path(path))
    tree = snapshot.tree_of(repo, Path(path), base=base)
    if tree == repo.line("rev-parse", f"{base}^{{tree}}"):
        return
    if settled is not None and holds_all(repo, [base, *settled.commits], tree):
        return
    message = _message(run_id, seq)
    made = repo.commit_tree(tree, parent=base, message=message)
    rescue_commit(repo, run_id, seq, made)


def _rescue_inner(repo: Repo, run_id: str, path: str, *, seq: int) -> None:
    """Keep what repositories inside a working copy hold, including ignored ones and submodules."""
    folder = os.path.relpath(path, repo.root)
    found = (inner for inner in nested.below(repo, folder) if inner.path != folder)
    message = _message(run_id, seq)
    for tip in inner_work(repo, found, run_id=run_id, message=message):
        rescue_commit(repo, run_id, seq, tip)


def _rescue_hidden(repo: Repo, run_id: str, path: str, *, seq: int) -> None:
    """Keep what uncommitted ignore rules hide, if git can tell."""
    git_dir = Path(text_of(Path(path, ".git")).removeprefix("gitdir: ").strip())
    if git_dir.parent != repo.common_dir / "worktrees" or not git_dir.is_dir():
        return
    message = _message(run_id, seq)
    keep_in = RunPaths(repo.root, run_id).set_aside(seq)
    worktree = repo.worktree(Path(path), git_dir, settings={})
    for tip in unseen.keep_hidden(worktree, message=message, keep_in=keep_in):
        rescue_commit(repo, run_id, seq, tip)


def _message(run_id: str, seq: int) -> str:
    return rescue_message(prompt="worktree", seq=seq, run_id=run_id, reason="left over")


def _delete(path: str) -> None:
    """Delete a file or a folder. Renames a folder first, so that a crash never leaves half a working copy."""
    place = Path(path)
    delete_discarded([_out_of_the_way(place) if is_folder(place) else place])


def _out_of_the_way(place: Path) -> Path:
    """Rename a folder that is to be deleted; returns where it is now, which is where it was if that failed."""
    gone = place.with_name(f"{GONE}{place.name.removeprefix(GONE)}-{os.getpid()}")
    with suppress(OSError), entry_at(place) as at:
        os.rename(at.name, gone.name, src_dir_fd=at.folder, dst_dir_fd=at.folder)
        return gone
    return place
