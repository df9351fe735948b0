"""Whose stash it is, where several working trees share one (SPEC 1.2, 1.6)."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.git.stashes import Stashes
from pitboss.landing.refs import SESSION_BRANCH

if TYPE_CHECKING:
    from pathlib import Path

OWN, NEXT = (f"pitboss/grind/20260101T000000Z-abcd-session-{seq:04}" for seq in (1, 2))
TREES = f"""
git init -q -b main repo && cd repo
git config user.name somebody && git config user.email some@body
echo one > file && git add file && git commit -q -m start
git branch feature
git worktree add -q --detach ../slot && git -C ../slot switch -qc {OWN}
git worktree add -q --detach ../next && git -C ../next switch -qc {NEXT} && git worktree add -q ../desk feature
"""
STASH = "echo two > file && git stash -q"
CASES = {
    "in its own tree": (f"cd ../slot; {STASH}", True),
    "in its own tree, dropped": (f"cd ../slot; {STASH}; git stash drop -q", True),
    "in its own tree, on a branch that it made": (
        f"cd ../slot; git switch -qc fix; {STASH}; git stash drop -q",
        True,
    ),
    "on a branch that another tree had later": (
        f"cd ../slot; git switch -qc fix; {STASH}; git stash drop -q; git switch -q -; git -C ../next switch -q fix",
        True,
    ),
    "in its own tree, without a branch": (f"cd ../slot; git checkout -q --detach; {STASH}", True),
    "in its own tree, without a branch, to which it came back": (
        f"cd ../slot; git checkout -q --detach; {STASH}; git switch -q -; git checkout -q --detach; git switch -q -",
        True,
    ),
    "beside it, in another session's tree without a branch": (
        f"cd ../next; git checkout -q --detach; {STASH}; git switch -q -",
        False,
    ),
    "in its own tree, without a branch, while the user has none either": (
        f"git checkout -q --detach; cd ../slot; git checkout -q --detach; {STASH}; git switch -q -",
        True,
    ),
    "beside it, in another session's tree": (f"cd ../next; {STASH}", False),
    "by the user": (STASH, False),
    "by the user, with a message": (
        f"{STASH}; git stash drop -q; echo 3 > file; git stash push -qm mine",
        False,
    ),
    "by the user, and popped": (f"{STASH}; git stash pop -q", False),
    "by the user, who then switched": (f"{STASH}; git switch -qc other", False),
    "by the user, in a second working tree": (f"cd ../desk; {STASH}", False),
    "by the user, without a branch": (f"git checkout -q --detach; {STASH}", False),
    "by the user, who had left the branch": (f"git checkout -q HEAD~0; {STASH}; git checkout -q main", False),
    "by the user, who looked at a tag": (
        f"git tag v1; git checkout -q v1; {STASH}; git switch -q main",
        False,
    ),
    "by the user, without a branch in a second working tree": (
        f"cd ../desk; git checkout -q --detach; {STASH}",
        False,
    ),
    "by the user, who keeps no log": (f"rm .git/logs/HEAD; {STASH}", False),
    "by the user, whose log is a folder": (f"{STASH}; rm .git/logs/HEAD; mkdir .git/logs/HEAD", False),
}


@pytest.mark.parametrize(("script", "is_own"), CASES.values(), ids=CASES)
def test_a_stash_is_of_the_tree_that_had_its_branch(tmp_path: Path, script: str, is_own: bool) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    subprocess.run(["sh", "-ec", TREES + script], cwd=tmp_path, check=True)
    slot = Repo.discover(tmp_path / "slot")
    assert bool(Stashes(slot, OWN, private=SESSION_BRANCH).dropped(began)) is is_own
