"""Removes what a run at rest no longer needs: working copies, transcripts, events and, if asked, refs (SPEC 11).

Unique work is rescued, or stays. Each step may be repeated, so after a crash another `gc` completes the work.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.garbage import dispensable
from pitboss.git.rebases import rebased_branches
from pitboss.git.ref_changes import as_text
from pitboss.git.repo import NO_HOOKS
from pitboss.landing.lease_refs import drop_leftovers
from pitboss.landing.listing import registered, session_refs, session_worktrees
from pitboss.landing.refs import (
    LEASE_REFS,
    RESCUE_REFS,
    RESULT_REFS,
    RUN_BRANCHES,
    run_branch,
    session_branches,
)
from pitboss.landing.worktrees import remove_session_branch, remove_worktree
from pitboss.store.disk_use import DiskUse, disk_use
from pitboss.store.log import iter_records
from pitboss.store.opening import names_in, remove_tree, status
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from pitboss.git.repo import Repo

_COMMITS = "--format=%(refname) %(objectname) %(objecttype)%(*objecttype)%(symref)"
_PASSING = ("refs/stash", "refs/bisect/", f"{LEASE_REFS}/", f"{RESULT_REFS}/")
"""Refs that do not last."""


class Garbage(msgspec.Struct, frozen=True, kw_only=True):
    """What would be removed of one run: paths with their sizes, branches of its sessions, refs with their commits.

    `leased` are sessions with the lease or the result of a worker, `remote` refs on `[workers] remote`. `staying` are
    refs that alone hold their commits, or that are checked out or being rebased.
    """

    run_id: str
    worktrees: dict[str, DiskUse]
    files: dict[str, DiskUse]
    session_branches: tuple[str, ...] = ()
    leased: tuple[int, ...] = ()
    remote: dict[str, str] = {}
    refs: dict[str, str] = {}
    staying: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(use.size for use in (*self.worktrees.values(), *self.files.values()))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to remove."""
        return not (
            self.worktrees or self.files or self.session_branches or self.leased or self.remote or self.refs
        )


class Refs:
    """All refs as they will be once what is found dispensable has gone."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        lines = os.fsdecode(repo.git("for-each-ref", _COMMITS)).split("\n")
        listed = (line.split(" ", 2) for line in lines if line)
        # Leave out refs to other objects, and symbolic refs, which hold nothing by themselves.
        self._oids = {ref: oid for ref, oid, kind in listed if kind.endswith("commit")}
        self._checked_out = {path: f"refs/heads/{each.branch}" for path, each in registered(repo).items()}
        self._checked_out.setdefault(str(repo.root), repo.on_branch() or "")
        self._rebased = rebased_branches(repo)

    def take(
        self, run_id: str, *, named: bool, doomed: Collection[str]
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """The refs of a run that can go, with their commits, and those that stay. Raises GitError.

        `doomed` are paths of working copies that will be gone.
        """
        own = self._of(run_id)
        free = [ref for ref in own if not self.in_use(ref, doomed)]
        sessions = f"refs/heads/{session_branches(run_branch(run_id))}"
        lasting = [ref for ref in self._oids if _lasts(ref) and not ref.startswith(sessions)]
        others = [ref for ref in lasting if ref not in free]
        gone = {ref: self._oids[ref] for ref in dispensable(free, others, self._is_within, named=named)}
        self._oids = {ref: oid for ref, oid in self._oids.items() if ref not in gone}
        return gone, tuple(ref for ref in own if ref not in gone)

    def in_use(self, ref: str, doomed: Collection[str]) -> bool:
        """Whether a working tree, apart from those in `doomed`, has the branch checked out, or rebases it."""
        users = [path for path, at in self._checked_out.items() if at == ref]
        if ref in self._rebased:
            users.append(self._rebased[ref])
        return any(path not in doomed for path in users)

    def _of(self, run_id: str) -> list[str]:
        branch, rescued = f"refs/heads/{run_branch(run_id)}", f"{RESCUE_REFS}/{run_id}/"
        return sorted(ref for ref in self._oids if ref == branch or ref.startswith(rescued))

    def _is_within(self, ref: str, others: Iterable[str]) -> bool:
        asked = "\n".join((self._oids[ref], *(f"^{oid}" for oid in {self._oids[other] for other in others})))
        return not self._repo.git("rev-list", "--max-count=1", "--stdin", stdin=f"{asked}\n".encode())


def garbage(repo: Repo, run_id: str, refs: Refs, *, with_refs: bool, named: bool, until: float) -> Garbage:
    """What can be removed of a run; changes nothing but `refs`. Sizes are looked up `until` a monotonic time."""
    paths = RunPaths(repo.root, run_id)
    doomed = session_worktrees(repo, run_id)
    gone, staying = refs.take(run_id, named=named, doomed=doomed) if with_refs else ({}, ())
    named_by = session_refs(repo, run_id)
    return Garbage(
        run_id=run_id,
        worktrees={path: disk_use(Path(path), until=until) for path in doomed},
        files={path.name: disk_use(path, until=until) for path in _files(paths)},
        session_branches=tuple(
            name for name in named_by.branches if not refs.in_use(f"refs/heads/{name}", doomed)
        ),
        leased=named_by.leased,
        refs=gone,
        staying=staying,
    )


def remove(repo: Repo, found: Garbage) -> None:
    """Remove what was found; working copies and branches of sessions are rescued first. Raises GitError."""
    for path in found.worktrees:
        remove_worktree(repo, found.run_id, path)
    for branch in found.session_branches:
        remove_session_branch(repo, found.run_id, branch)
    _drop_leases(repo, found)
    _delete_refs(repo, found.refs)
    for file in _files(RunPaths(repo.root, found.run_id)):
        remove_tree(file)


def _drop_leases(repo: Repo, found: Garbage) -> None:
    landed = recorded_as_landed(repo, found.run_id) if found.leased else frozenset()
    for seq in found.leased:
        drop_leftovers(repo, found.run_id, seq, has_landed=seq in landed)


def recorded_as_landed(repo: Repo, run_id: str) -> frozenset[int]:
    """The sessions of a run whose records say that they landed something."""
    log = RunPaths(repo.root, run_id).log
    return frozenset(record.seq for record in iter_records(log) if record.commit)


def _delete_refs(repo: Repo, refs: Mapping[str, str]) -> None:
    """Delete all refs or, if one has moved since it was looked at, none. Raises GitError."""
    if refs:
        orders = as_text(f"delete {ref} {oid}" for ref, oid in refs.items())
        repo.git(*NO_HOOKS, "update-ref", "--stdin", stdin=os.fsencode(orders))


def _files(paths: RunPaths) -> list[Path]:
    """Files that only viewers of a run need: transcripts, and the events of the time when it was live."""
    transcripts = [paths.transcripts] if names_in(paths.transcripts) else []
    return [*transcripts, *([paths.events] if status(paths.events) else [])]


def _lasts(ref: str) -> bool:
    pushed = ref.startswith("refs/remotes/") and f"/{RUN_BRANCHES}" in ref
    return not pushed and not ref.startswith(_PASSING)
