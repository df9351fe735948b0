"""Repositories inside the tree, untracked ones and submodules: their work kept, then put out of the way (SPEC 1.2)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pitboss.git import rescue, snapshot
from pitboss.git.repo import Repo

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_FETCH = (
    *("-c", "protocol.file.allow=always", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head"),
    *("--no-recurse-submodules", "--no-auto-maintenance"),
)


def fetch_head(repo: Repo, folder: str) -> str | None:
    """Bring the commits of a repository inside the tree into `repo`; None when it has no usable HEAD."""
    head = repo.ask_in(folder, "rev-parse", "--verify", "--quiet", "HEAD")
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


class SubmoduleWork(msgspec.Struct, frozen=True, kw_only=True):
    """A submodule that is not as its outer repository records it; `tip` holds all that differs, None if nothing."""

    inner: Repo
    recorded: str
    tip: str | None


def take_submodule_work(
    repo: Repo, path: str, *, run_id: str, seq: int, message: str
) -> SubmoduleWork | None:
    """Name a submodule's work by a rescue ref inside it and bring its commits into `repo`, unnamed there as yet."""
    recorded = repo.line("ls-files", "--stage", "--", f":(top,literal){path}").split()
    inner = _submodule(repo, path)
    if inner is None or len(recorded) < 2:
        return None
    status = inner.status()
    if not status.dirty and status.head == recorded[1]:
        return None
    tip = status.head
    if status.dirty:
        tip = snapshot.snapshot(inner, status, message=message, base=recorded[1])
    if not rescue.outside(inner, [tip], recorded[1]):
        return SubmoduleWork(inner=inner, recorded=recorded[1], tip=None)
    ref = _same_tree(inner, tip, rescue.list_rescued(inner, run_id, seq))
    ref = ref or rescue.keep(inner, run_id, seq, [tip], why="")[-1]
    repo.git(*_FETCH, str(inner.root), ref)
    return SubmoduleWork(inner=inner, recorded=recorded[1], tip=inner.line("rev-parse", ref))


def put_back_submodule(work: SubmoduleWork) -> None:
    """Check out the recorded commit, the tree clean; the work must be kept already."""
    work.inner.git("checkout", "--quiet", "--force", "--detach", work.recorded, ok=(0, 1, 128))
    snapshot.clean(work.inner)


def _same_tree(inner: Repo, tip: str, kept: Iterable[rescue.Rescued]) -> str | None:
    return next((r.ref for r in kept if inner.succeeds("diff-tree", "--quiet", tip, r.oid)), None)


def _submodule(repo: Repo, path: str) -> Repo | None:
    if not (repo.root / path / ".git").exists():
        return None
    return repo.inner(path)
