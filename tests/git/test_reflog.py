"""What the logs of HEAD and stash tell of one session (SPEC 1.2)."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pitboss.git.reflog import Reflog
from pitboss.git.repo import Repo
from pitboss.git.stashes import Stashes
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


SECOND_OF_GIT = 1_770_000_000
STASHED = """
git init -q -b main repo && cd repo
git config user.name somebody && git config user.email some@body
echo one > file && git add file && git commit -q -m start
echo two > file && git stash -q
"""


@pytest.mark.parametrize(
    ("begun_ms", "is_own"), [(900, True), (1000, True), (1015, True), (1040, False), (2000, False)]
)
def test_gits_clock_may_be_a_tick_behind_the_sessions(tmp_path: Path, begun_ms: int, is_own: bool) -> None:
    stamp = f"{SECOND_OF_GIT} +0000"
    dates = {"GIT_COMMITTER_DATE": stamp, "GIT_AUTHOR_DATE": stamp}
    subprocess.run(["sh", "-ec", STASHED], cwd=tmp_path, env=os.environ | dates, check=True)
    repo = Repo.discover(tmp_path / "repo")
    for file in (repo.common_dir / "objects").rglob("*"):
        os.utime(file, (SECOND_OF_GIT, SECOND_OF_GIT))
    started_at = datetime.fromtimestamp(SECOND_OF_GIT, UTC) + timedelta(milliseconds=begun_ms)
    stash = repo.line("rev-parse", "stash")
    reflog = Reflog(repo, "main", private=SESSION_BRANCH)
    made = reflog.commits_since(repo.line("rev-parse", "main"), started_at)
    dropped = Stashes(repo, "main", private=SESSION_BRANCH).dropped(started_at)
    assert (stash in made, stash in dropped) == (is_own, is_own)
