"""Every name that pitboss gives a branch or ref, defined only here (SPEC 2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.patterns import lazy_pattern
from pitboss.git.locks import LockScope
from pitboss.store.paths import runs_dir

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

RUN_BRANCHES = "pitboss/grind/"
RESCUE_REFS = "refs/pitboss/rescue"
LEASE_REFS = "refs/pitboss/lease"
RESULT_REFS = "refs/pitboss/result"
BASE_REFS = "refs/pitboss/base"
"""Only on a remote: the commits that a run's sessions begin from."""
SESSION_BRANCH = lazy_pattern(rf"{RUN_BRANCHES}[^/: ]+-session-\d+")
"""A session's own branch, in any run."""

REF_FOLDERS = (
    "refs/heads/pitboss",
    "refs/heads/pitboss/grind",
    "refs/pitboss",
    "refs/pitboss/rescue",
    "refs/pitboss/lease",
    "refs/pitboss/result",
)
"""Folders of the git directory that pitboss's own refs lie in, outermost first."""

_LEASED = lazy_pattern(r"([1-9][0-9]{0,9})")
_RESULT = lazy_pattern(r"([1-9][0-9]{0,9})-([1-9][0-9]{0,9})(-partial(?:-[1-9][0-9]*)?)?")
_SESSION = lazy_pattern(r"(?:^|-)session-(\d+)$")
_RESCUED = lazy_pattern(r".+/session-([0-9]{4,})(?:-[0-9]+)?")


def run_branch(run_id: str) -> str:
    """The branch that a run's sessions land on (SPEC 2)."""
    return f"{RUN_BRANCHES}{run_id}"


def session_branches(branch: str) -> str:
    """What the branches of a run's parallel sessions begin with; `branch` is the run's."""
    return f"{branch}-session-"


def session_branch(branch: str, seq: int) -> str:
    """The branch of a parallel session; `branch` is the run's."""
    return f"{session_branches(branch)}{seq:04}"


def session_of(name: str) -> int | None:
    """The number of the session that a branch or folder is named after."""
    found = _SESSION.search(name)
    return int(found[1]) if found else None


def rescue_ref(run_id: str, seq: int, nth: int) -> str:
    """The name of a session's first, second, ... rescue ref."""
    suffix = "" if nth == 1 else f"-{nth}"
    return f"{RESCUE_REFS}/{run_id}/session-{seq:04}{suffix}"


def parse_rescue(ref: str) -> int | None:
    """The session whose work a rescue ref keeps; None if its name does not say."""
    found = _RESCUED.fullmatch(ref)
    return int(found[1]) if found else None


class ResultName(msgspec.Struct, frozen=True):
    """What the name of a result says."""

    seq: int
    attempt: int
    partial: bool


def lease_ref(run_id: str, seq: int) -> str:
    """The ref that says which attempt at a session may land (SPEC 14)."""
    return f"{LEASE_REFS}/{run_id}/{seq}"


def parse_lease(run_id: str, ref: str) -> int | None:
    """The session whose lease a ref is; None if it is none of this run's."""
    found = _LEASED.fullmatch(ref.removeprefix(f"{LEASE_REFS}/{run_id}/"))
    return int(found[1]) if found else None


def base_ref(run_id: str) -> str:
    """The ref on the remote of the workers that reaches all commits from which sessions begin (SPEC 14)."""
    return f"{BASE_REFS}/{run_id}"


def result_refs(run_id: str) -> str:
    """The folder of a run's results."""
    return f"{RESULT_REFS}/{run_id}"


def result_ref(run_id: str, seq: int, attempt: int, *, partial: bool = False, nth: int = 1) -> str:
    """The ref of what a worker committed for an attempt at a session; the `nth` of several partial ones (SPEC 14)."""
    suffix = ("-partial" if partial else "") + (f"-{nth}" if nth > 1 else "")
    return f"{result_refs(run_id)}/{seq}-{attempt}{suffix}"


def parse_result(run_id: str, ref: str) -> ResultName | None:
    """The session and attempt whose result a ref is; None if it is none of this run's."""
    found = _RESULT.fullmatch(ref.removeprefix(f"{result_refs(run_id)}/"))
    return ResultName(int(found[1]), int(found[2]), found[3] is not None) if found else None


def lock_scope(repo: Repo, branch: str) -> LockScope:
    """The locks that can keep pitboss from working on `branch`, a run's or a session's, in this working tree."""
    ours = (RESCUE_REFS, LEASE_REFS, RESULT_REFS)
    return LockScope(
        branch=branch,
        beside=session_branches(branch.rpartition("/")[2]),
        folders=tuple(folder.removeprefix("refs/") for folder in ours),
        worktrees=runs_dir(repo.root),
    )
