"""The least that anyone would write to run sessions side by side: a shell loop for each slot, and git (SPEC 1.7).

Nothing is recorded, flushed, checked or recovered: what it costs is what the agents, git and the machine cost.
"""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

from bench.repositories import git

if TYPE_CHECKING:
    from pathlib import Path

BRANCH = "together"
TURN = ".git/turn"
LOOP = f"""\
set -e
slot=$1 sessions=$2 repository=$PWD copy=$PWD-$1
flock {TURN} git worktree add -q --detach "$copy" {BRANCH}
cd "$copy"
nth=0
while [ $nth -lt $sessions ]; do
    nth=$((nth + 1))
    PITBOSS_SESSION_SEQ=$((slot * sessions + nth)) /bin/sh "$repository/.pitboss/agent"
    git commit -qam work
    (
        flock 9
        tree=$(git merge-tree --write-tree {BRANCH} HEAD)
        git update-ref refs/heads/{BRANCH} $(git commit-tree -p {BRANCH} -m work $tree)
    ) 9>"$repository/{TURN}"
    git checkout -q --detach {BRANCH}
done
cd "$repository"
flock {TURN} git worktree remove --force "$copy"
"""
"""What each slot runs: `loop SLOT SESSIONS`, in the repository. `git worktree` fails where two add at once."""


def seconds(repository: Path, sessions: int, slots: int) -> float:
    """How many seconds `sessions` take in so many `slots`.

    Raises RuntimeError unless each of them has its own commit on the branch.
    """
    git(repository, "config", "user.name", "bench")
    git(repository, "config", "user.email", "bench@local")
    git(repository, "branch", BRANCH)
    share = str(sessions // slots)
    started = time.perf_counter()
    loops = [
        subprocess.Popen(["/bin/sh", "-c", LOOP, "loop", str(slot), share], cwd=repository)
        for slot in range(slots)
    ]
    codes = {loop.wait() for loop in loops}
    took = time.perf_counter() - started
    landed = int(git(repository, "rev-list", "--count", f"main..{BRANCH}"))
    if codes != {0} or landed != sessions:
        raise RuntimeError(f"{landed} of {sessions} bare sessions landed in {repository}")
    return took
