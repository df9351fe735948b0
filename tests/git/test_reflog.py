"""What HEAD's log tells of one session in a working copy that others had before (SPEC 1.2)."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pitboss.git.reflog import Reflog
from pitboss.git.repo import Repo
from pitboss.landing.refs import SESSION_BRANCH

if TYPE_CHECKING:
    from pathlib import Path

FIRST, SECOND = (f"pitboss/grind/20260101T000000Z-abcd-session-{seq:04}" for seq in (1, 2))
ONE_SESSION_AFTER_THE_OTHER = f"""
git init -q -b main repo && cd repo
git config user.name somebody && git config user.email some@body
git commit -q --allow-empty -m start
git worktree add -q -b {FIRST} ../slot
cd ../slot
git commit -q --allow-empty -m "of the first session"
git update-ref --no-deref -m "pitboss: released" HEAD HEAD
"""
MOVES = {
    "by a checkout": f"git checkout -q -b {SECOND} main",
    "by its ref": f"""git reset -q --keep main && git update-ref refs/heads/{SECOND} main ''
        git symbolic-ref -m "pitboss: to {SECOND}" HEAD refs/heads/{SECOND}""",
}


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
def test_a_session_is_not_told_what_another_made_in_its_working_copy_in_the_same_second(
    tmp_path: Path, move: str
) -> None:
    commits = 'git commit -q --allow-empty -m "dropped" && git reset -q --hard HEAD~1'
    subprocess.run(
        ["sh", "-ec", ONE_SESSION_AFTER_THE_OTHER + move + "\n" + commits], cwd=tmp_path, check=True
    )
    slot = Repo.discover(tmp_path / "slot")
    reflog = Reflog(slot, SECOND, private=SESSION_BRANCH)
    made = reflog.commits_since(slot.line("rev-parse", "main"), datetime.now(UTC) - timedelta(seconds=60))
    assert [slot.line("log", "-1", "--format=%s", oid) for oid in made] == ["dropped"]
