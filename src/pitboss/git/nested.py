"""Repositories inside the tree, untracked ones and submodules: their work kept, then put out of the way (SPEC 1.2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.git import rescue, snapshot
from pitboss.git.repo import NotARepository, Repo

if TYPE_CHECKING:
    from pathlib import Path

_FETCH = (
    *("-c", "protocol.file.allow=always", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"),
    *("--no-recurse-submodules", "--no-auto-maintenance"),
)


def fetch_head(repo: Repo, folder: str) -> str | None:
    """Bring the commits of a repository inside the tree into `repo`; None when it has no usable HEAD."""
    head = repo.run("-C", folder, "rev-parse", "--verify", "--quiet", "HEAD", ok=(0, 1, 128))
    if head.code != 0 or repo.run(*_FETCH, f"./{folder}", "HEAD", ok=(0, 1, 128)).code != 0:
        return None
    return head.stdout.decode().strip()


def move_away(repo: Repo, folder: str, keep_in: Path) -> None:
    """Move an untracked repository, whole, to `keep_in`; its history and ignored files go with it."""
    place = keep_in / folder
    nth = 1
    while place.exists():
        nth += 1
        place = keep_in / f"{folder.rstrip('/')}-{nth}"
    place.parent.mkdir(parents=True, exist_ok=True)
    os.rename(repo.root / folder, place)  # noqa: PTH104 - never across file systems: .pitboss is in the tree


def put_back_submodule(repo: Repo, path: str, *, run_id: str, seq: int, message: str) -> str | None:
    """Keep a submodule's uncommitted work, then check out the commit that the index records for it.

    The work is named by a rescue ref in the submodule and its commit brought into `repo`; returns that
    commit, None when there was nothing to keep.
    """
    recorded = repo.line("ls-files", "--stage", "--", f":(top,literal){path}").split()
    inner = _submodule(repo, path)
    if inner is None or len(recorded) < 2:
        return None
    status = inner.status()
    tip = status.head
    if not status.dirty and tip == recorded[1]:
        return None
    if status.dirty:
        tip = snapshot.snapshot(inner, status, message=message, base=recorded[1])
    kept = _keep_inside(repo, inner, tip, recorded[1], (run_id, seq))
    inner.git("checkout", "--quiet", "--force", "--detach", recorded[1], ok=(0, 1, 128))
    snapshot.clean(inner)
    return kept


def _keep_inside(repo: Repo, inner: Repo, tip: str, recorded: str, session: tuple[str, int]) -> str | None:
    if not rescue.outside(inner, [tip], recorded):
        return None
    run_id, seq = session
    names = rescue.keep(inner, run_id, seq, [tip], why="")
    repo.git(*_FETCH, str(inner.root), names[-1])
    return tip


def _submodule(repo: Repo, path: str) -> Repo | None:
    try:
        inner = Repo.discover(repo.root / path)
    except (NotARepository, OSError):
        return None
    return None if inner.root == repo.root else inner
