"""Every name that pitboss gives a branch or ref, defined only here (SPEC 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.git.locks import LockScope
from pitboss.store.paths import runs_dir

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

RUN_BRANCHES = "pitboss/grind/"
RESCUE_REFS = "refs/pitboss/rescue"
SESSION_BRANCH = lazy_pattern(rf"{RUN_BRANCHES}[^/: ]+-session-\d+")
"""A session's own branch, in any run."""

REF_FOLDERS = (
    "refs/heads/pitboss",
    "refs/heads/pitboss/grind",
    "refs/pitboss",
    "refs/pitboss/rescue",
)
"""Folders of the git directory that pitboss's own refs lie in, outermost first."""

_SESSION = lazy_pattern(r"(?:^|-)session-(\d+)$")


def run_branch(run_id: str) -> str:
    """The branch that a run's sessions land on (SPEC 2)."""
    return f"{RUN_BRANCHES}{run_id}"


def session_branch(branch: str, seq: int) -> str:
    """The branch of a parallel session; `branch` is the run's."""
    return f"{branch}-session-{seq:04}"


def session_of(name: str) -> int | None:
    """The number of the session that a branch or folder is named after."""
    found = _SESSION.search(name)
    return int(found[1]) if found else None


def rescue_ref(run_id: str, seq: int, nth: int) -> str:
    """The name of a session's first, second, ... rescue ref."""
    suffix = "" if nth == 1 else f"-{nth}"
    return f"{RESCUE_REFS}/{run_id}/session-{seq:04}{suffix}"


def lock_scope(repo: Repo, branch: str) -> LockScope:
    """The locks that can keep pitboss from working on `branch`, a run's or a session's, in this working tree."""
    rescue = RESCUE_REFS.removeprefix("refs/")
    return LockScope(
        branch=branch,
        refs=(f"heads/{branch}-session-*.lock", f"{rescue}/**/*.lock"),
        worktrees=runs_dir(repo.root),
    )
