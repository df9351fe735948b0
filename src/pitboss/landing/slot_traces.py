"""What HEAD of a working copy, and its log, tell of the session that used it last, in this process or another."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pitboss.landing.refs import run_branch, session_branches

if TYPE_CHECKING:
    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus

RELEASED = "pitboss: released"
"""The entry in HEAD's log by which a session's work had landed in some form, or been rescued."""

_TAIL_BYTES = 8192


def is_released(worktree: Repo, status: TreeStatus) -> bool:
    """Whether HEAD is where the last release left it: nothing that it reaches needs to be kept."""
    last = _log_tail(worktree).rstrip(b"\n").rpartition(b"\n")[2]
    _, new, *_ = [*last.split(b" ", 2), b"", b""]
    return (
        status.branch is None and last.endswith(f"\t{RELEASED}".encode()) and new == os.fsencode(status.head)
    )


def last_session(worktree: Repo, status: TreeStatus, run_id: str) -> int | None:
    """The session whose branch HEAD is on, or was on last; None if there is no telling."""
    branch = re.compile(rf"{re.escape(session_branches(run_branch(run_id)))}(\d+)".encode())
    on = branch.fullmatch(os.fsencode(status.branch or ""))
    found = [on[1]] if on else branch.findall(_log_tail(worktree))
    return int(found[-1]) if found else None


def _log_tail(worktree: Repo) -> bytes:
    try:
        with worktree.inside("logs", "HEAD").open("rb") as log:
            log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
            return log.read()
    except OSError:
        return b""
