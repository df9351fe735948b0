"""Lock files that a dead git left behind, removed only when no live one can own them (SPEC 7, recovery)."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.errors import StartError
from pitboss.git.index import KEPT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.git.repo import GitError, Repo

WAIT_S = 2.0
_POLL_S = 0.05


def stale_locks(repo: Repo, branch: str) -> tuple[Path, ...]:
    """Lock files that would stop pitboss from working on `branch`; a live git may still own them."""
    refs = repo.common_dir / "refs"
    named = (
        repo.inside("index.lock"),
        repo.inside(f"{KEPT}.lock"),
        repo.inside("HEAD.lock"),
        repo.common_dir / "packed-refs.lock",
        refs / "heads" / f"{branch}.lock",
    )
    rescue = sorted((refs / "pitboss" / "rescue").rglob("*.lock"))
    return tuple(path for path in (*named, *rescue) if path.exists())


def remove_stale_locks(repo: Repo, branch: str, *, wait_s: float = WAIT_S) -> tuple[Path, ...]:
    """Remove the locks of dead git processes and return them.

    Live ones get `wait_s` seconds to finish. Raises StartError when one still works here after that.
    """
    deadline = time.monotonic() + wait_s
    while locks := stale_locks(repo, branch):
        owners = list(_workers(repo, locks))
        if not owners:
            for lock in locks:
                lock.unlink(missing_ok=True)
            return locks
        if time.monotonic() >= deadline:
            raise StartError(
                f"{locks[0]} is held: git is at work in {repo.root} (pid {', '.join(map(str, owners))})",
                hint="wait for it to end, or end it, then try again",
            )
        time.sleep(_POLL_S)
    return ()


def clear_the_way(repo: Repo, branch: str, error: GitError) -> None:
    """Remove the locks of dead git processes after one failed; raises its `error` when a live one holds them."""
    try:
        remove_stale_locks(repo, branch)
    except StartError as held:
        raise error from held


def _workers(repo: Repo, locks: tuple[Path, ...]) -> Iterator[int]:
    places = tuple({os.path.realpath(place) for place in (repo.root, repo.git_dir, repo.common_dir)})
    files = {os.path.realpath(lock) for lock in locks}
    processes = _linux_processes() if sys.platform == "linux" else _other_processes()
    for pid, name, cwd, opened in processes:
        if (_is_git(name) and _is_within(cwd, places)) or not files.isdisjoint(opened):
            yield pid


def _is_git(name: str) -> bool:
    """Whether a program is git, rather than one named after it: gitstatusd, gitk."""
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
            continue  # gone meanwhile, a zombie, or somebody else's
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
