"""Makes way for one of pitboss's own refs where another's name is in it: what that holds is kept (SPEC 1.2).

Git has no ref `a` beside one `a/b`. An agent, or a person, that deletes one of ours can give its name to a folder.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.git.ref_changes import ITSELF
from pitboss.git.repo import NO_HOOKS
from pitboss.landing.rescue_refs import rescue_commit

if TYPE_CHECKING:
    from pitboss.git.errors import GitError
    from pitboss.git.repo import Repo


def makes_way(repo: Repo, run_id: str, seq: int, branch: str, error: GitError) -> bool:
    """Rescue for session `seq`, and delete, what kept git from making `branch`; False if `error` was another one.

    Raises GitError.
    """
    blocking, ref = error.ref_in_the_way or "", f"refs/heads/{branch}"
    below = f"{ref}/"
    if not (blocking.startswith(below) or ref.startswith(f"{blocking}/")):
        return False
    pattern = below if blocking.startswith(below) else blocking
    found = os.fsdecode(repo.git("for-each-ref", "--format=%(objectname) %(refname)", pattern))
    for oid, _, name in (line.partition(" ") for line in found.splitlines()):
        rescue_commit(repo, run_id, seq, oid)
        repo.git(*NO_HOOKS, "update-ref", ITSELF, "-d", name, oid)
    return True
