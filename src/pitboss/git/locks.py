"""Removes lock files left behind by a dead git process, but none that a live one may own (SPEC 7)."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pitboss.errors import StartError
from pitboss.git.at_work import KEPT_GIT_AT_WORK
from pitboss.git.index_backup import BACKUP
from pitboss.git.working_trees import working_trees

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pitboss.git.errors import GitError
    from pitboss.git.repo import Repo

WAIT_S = 2.0
_POLL_S = 0.05


class LockScope(msgspec.Struct, frozen=True, kw_only=True):
    """Which locks to look for: those of the tree, of `branch`, of other refs, and of linked worktrees.

    The other refs are branches in its folder that begin with `beside`, and all in `folders` of git's folder `refs`.
    Only worktrees in the folder `worktrees` count; a git process at work there holds no lock on the tree around it.
    """

    branch: str
    beside: str | None = None
    folders: tuple[str, ...] = ()
    worktrees: Path


def stale_locks(repo: Repo, scope: LockScope) -> tuple[Path, ...]:
    """Lock files that are in the way, in linked worktrees too; a live git may own them."""
    linked = (path for _, git_dir in _linked(repo, scope) for path in _own_locks(git_dir))
    everything = (*_own_locks(repo.git_dir), *_shared_locks(repo, scope), *linked)
    return tuple(path for path in everything if os.path.lexists(path))


def remove_stale_locks(repo: Repo, scope: LockScope, *, wait_s: float = WAIT_S) -> tuple[Path, ...]:
    """Remove the locks of dead git processes, in linked worktrees too, and return them.

    Live ones get `wait_s` seconds to finish. Raises StartError if one is still at work here after that.
    """
    deadline = time.monotonic() + wait_s
    removed = _remove_for(repo, scope, deadline)
    for root, git_dir in _linked(repo, scope):
        removed += _remove(_Territory(root, (root, git_dir)), partial(_own_locks, git_dir), deadline)
    return removed


def remove_locks_of(worktree: Repo, *, wait_s: float = WAIT_S) -> tuple[Path, ...]:
    """The same for the locks of one linked worktree alone."""
    territory = _Territory(worktree.root, (worktree.root, worktree.git_dir))
    return _remove(territory, partial(_own_locks, worktree.git_dir), time.monotonic() + wait_s)


def clear_the_way(repo: Repo, scope: LockScope, error: GitError) -> None:
    """Remove the locks of dead git processes after a git call failed; raises its `error` if a live one holds them."""
    try:
        _remove_for(repo, scope, time.monotonic() + WAIT_S)
    except StartError as held:
        raise error from held


class _Territory(NamedTuple):
    """Where a git that may own certain locks works: in these folders, but not in those."""

    root: Path
    folders: tuple[Path, ...]
    apart: tuple[Path, ...] = ()


def _own(repo: Repo, scope: LockScope) -> _Territory:
    """A working tree's own locks: a process in a linked worktree inside it uses others."""
    return _Territory(repo.root, (repo.root, repo.git_dir, repo.common_dir), (scope.worktrees,))


def _shared(repo: Repo) -> _Territory:
    """Locks on refs, which all working trees share."""
    main = (repo.common_dir.parent,) if repo.common_dir.name == ".git" else ()
    return _Territory(repo.root, (repo.root, repo.git_dir, repo.common_dir, *main))


def _linked(repo: Repo, scope: LockScope) -> Iterator[tuple[Path, Path]]:
    """The linked worktrees in scope that git knows, each with its git folder."""
    for root, git_dir in sorted(working_trees(repo)):
        if scope.worktrees in Path(root).parents:
            yield Path(root), git_dir


def _own_locks(git_dir: Path) -> tuple[Path, ...]:
    return tuple(git_dir / name for name in ("index.lock", f"{BACKUP}.lock", "HEAD.lock"))


def _shared_locks(repo: Repo, scope: LockScope) -> tuple[Path, ...]:
    refs = repo.common_dir / "refs"
    own = refs / "heads" / f"{scope.branch}.lock"
    beside = () if scope.beside is None else _locks_in(own.parent, scope.beside)
    below = (lock for folder in scope.folders for lock in _locks_below(refs / folder))
    return (repo.common_dir / "packed-refs.lock", own, *beside, *below)


def _locks_in(folder: Path, beginning: str) -> list[Path]:
    """The locks in a folder whose names begin so. `glob` would take longer to prepare than to look."""
    with suppress(OSError), os.scandir(folder) as found:
        return sorted(folder / each.name for each in found if _is_lock(each.name, beginning))
    return []


def _locks_below(folder: Path) -> list[Path]:
    found = ((at, name) for at, folders, files in os.walk(folder) for name in (*folders, *files))
    return sorted(Path(at, name) for at, name in found if _is_lock(name))


def _is_lock(name: str, beginning: str = "") -> bool:
    return name.startswith(beginning) and name.endswith(".lock")


def _remove_for(repo: Repo, scope: LockScope, deadline: float) -> tuple[Path, ...]:
    own = _remove(_own(repo, scope), partial(_own_locks, repo.git_dir), deadline)
    return own + _remove(_shared(repo), partial(_shared_locks, repo, scope), deadline)


def _remove_one(lock: Path) -> None:
    """Remove a lock, or whatever bears its name: for git, a folder or a link without an end is one too."""
    try:
        lock.unlink(missing_ok=True)
    except OSError:
        import shutil

        shutil.rmtree(lock, ignore_errors=True)


def _remove(territory: _Territory, find: Callable[[], tuple[Path, ...]], deadline: float) -> tuple[Path, ...]:
    while True:
        with KEPT_GIT_AT_WORK:
            locks = tuple(path for path in find() if os.path.lexists(path))
            owners = list(_workers(territory, locks)) if locks else []
            if not owners:
                for lock in locks:
                    _remove_one(lock)
                return locks
        if time.monotonic() >= deadline:
            raise StartError(
                f"{locks[0]} is held: git is at work in {territory.root} (pid {', '.join(map(str, owners))})",
                hint="wait for it to end, or end it, then try again",
            )
        time.sleep(_POLL_S)


def _workers(territory: _Territory, locks: tuple[Path, ...]) -> Iterator[int]:
    files = {os.path.realpath(lock) for lock in locks}
    folders, apart = (tuple(map(os.path.realpath, paths)) for paths in (territory.folders, territory.apart))
    processes = _linux_processes() if sys.platform == "linux" else _other_processes()
    for pid, name, cwd, opened in processes:
        here = _is_within(cwd, folders) and not _is_within(cwd, apart)
        if (_is_git(name) and here) or not files.isdisjoint(opened):
            yield pid


def _is_git(name: str) -> bool:
    """Whether a program is git itself, rather than one named after it: gitstatusd, gitk."""
    return name == "git" or name.startswith("git-")


def _is_within(cwd: str, places: tuple[str, ...]) -> bool:
    return any(cwd == place or cwd.startswith(place + os.sep) for place in places)


def _linux_processes() -> Iterator[tuple[int, str, str, set[str]]]:
    for entry in os.scandir("/proc"):
        if not entry.name.isdecimal() or entry.name == str(os.getpid()):
            continue
        try:
            name = Path(entry.path, "comm").read_text(errors="replace").rstrip("\n")
            cwd = os.readlink(f"{entry.path}/cwd")  # noqa: PTH115 - the string as the kernel gives it
            opened = {_link(fd.path) for fd in os.scandir(f"{entry.path}/fd")}
        except OSError:
            continue  # gone meanwhile, a zombie, or another user's
        yield int(entry.name), name, cwd, opened


def _link(path: str) -> str:
    try:
        return os.readlink(path)  # noqa: PTH115 - the string as the kernel gives it
    except OSError:
        return ""


def _other_processes() -> Iterator[tuple[int, str, str, set[str]]]:
    import psutil

    for process in psutil.process_iter():
        try:
            opened = {file.path for file in process.open_files()}
            yield process.pid, process.name(), process.cwd(), opened
        except psutil.Error:
            continue
