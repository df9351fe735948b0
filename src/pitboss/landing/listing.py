"""Finds working copies and branches of parallel sessions, as a crash may leave them; changes nothing (SPEC 2, 7)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.landing.refs import (
    LEASE_REFS,
    parse_lease,
    parse_result,
    result_refs,
    run_branch,
    session_branches,
)
from pitboss.store.opening import names_in
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.git.repo import Repo

_BRANCHES = "refs/heads/"
HALF_MADE = "initializing"
"""The reason that git gives for locking a working copy while it creates it."""


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A worktree as git lists it: the commit its HEAD is on (None if there is none) and the branch."""

    head: str | None
    branch: str | None
    half_made: bool


class SessionRefs(msgspec.Struct, frozen=True, kw_only=True):
    """The branches of a run's parallel sessions, by name, and the sessions that have a lease or a result, in order."""

    branches: tuple[str, ...]
    leased: tuple[int, ...]


def session_refs(repo: Repo, run_id: str) -> SessionRefs:
    """What refs name of the run's sessions, rescued work apart. Raises GitError."""
    return begin_session_refs(repo, run_id)()


def begin_session_refs(repo: Repo, run_id: str) -> Callable[[], SessionRefs]:
    """Start `session_refs`; call the result once to wait for it."""
    patterns = (
        f"{_BRANCHES}{session_branches(run_branch(run_id))}*",
        f"{LEASE_REFS}/{run_id}",
        result_refs(run_id),
    )
    printed = repo.begin_git("for-each-ref", "--format=%(refname)", *patterns)
    return lambda: _session_refs(run_id, os.fsdecode(printed()).split())


def _session_refs(run_id: str, refs: Sequence[str]) -> SessionRefs:
    results = (parse_result(run_id, ref) for ref in refs)
    leased = {parse_lease(run_id, ref) for ref in refs} | {result.seq for result in results if result}
    # A folder of runs may be named like a pattern, which then matches the branches of other runs.
    own = f"{_BRANCHES}{session_branches(run_branch(run_id))}"
    return SessionRefs(
        branches=tuple(ref.removeprefix(_BRANCHES) for ref in refs if ref.startswith(own)),
        leased=tuple(sorted(seq for seq in leased if seq is not None)),
    )


def session_worktrees(repo: Repo, run_id: str) -> tuple[str, ...]:
    """Working copies of the run's parallel sessions, half-made ones too, by path."""
    folder = RunPaths(repo.root, run_id).worktrees
    made = {str(folder / name) for name in names_in(folder)}
    known = {path for path in registered(repo) if Path(path).parent == folder}
    return tuple(sorted(made | known))


def registered(repo: Repo) -> dict[str, Registered]:
    """Every working tree that git knows, by path; nothing, without asking git, if none is linked to another."""
    if not names_in(repo.common_dir / "worktrees"):
        return {}
    records = os.fsdecode(repo.git("worktree", "list", "--porcelain", "-z")).split("\0\0")
    facts = (dict(line.partition(" ")[::2] for line in record.split("\0")) for record in records if record)
    return {fact["worktree"]: _known(fact) for fact in facts if "worktree" in fact}


def _known(fact: dict[str, str]) -> Registered:
    head = fact.get("HEAD", "")
    return Registered(
        head=head if head.strip("0") else None,
        branch=fact["branch"].removeprefix(_BRANCHES) if "branch" in fact else None,
        half_made=fact.get("locked", "").startswith(HALF_MADE),
    )
