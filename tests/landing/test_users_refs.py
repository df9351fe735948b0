"""What agents do to the user's branches and stash is told and kept; what the user does is not told (SPEC 1.6)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing.users_refs import UsersRefs

if TYPE_CHECKING:
    from pathlib import Path

RUN_ID = "20260101T000000Z-abcd"
SLOT = f"repo/.pitboss/grind/runs/{RUN_ID}/worktrees/slot-1"
SCENE = f"""
git init -q -b main repo && cd repo
git config user.name somebody && git config user.email some@body
echo .pitboss >.gitignore && git add .gitignore && git commit -q -m start
git branch side && git branch topic/one && git branch 'fix(#1)'
git switch -qc feature && git commit -q --allow-empty -m feature && git switch -q main
echo stashed >.gitignore && git stash -q
git worktree add -q ../desk side
git worktree add -q -b pitboss/grind/{RUN_ID} ../{SLOT}
"""
COMMIT = "git commit -q --allow-empty -m more"
BY_AGENTS = {
    "deleted": ("git branch -qD feature", "the branch feature was deleted: `git branch feature "),
    "deleted, packed": ("git pack-refs --all; git branch -qD feature", "the branch feature was deleted"),
    "deleted, in a folder": ("git branch -qD topic/one", "the branch topic/one was deleted"),
    "deleted, named oddly": (
        "git branch -qD 'fix(#1)'",
        "the branch fix(#1) was deleted: `git branch 'fix(#1)' ",
    ),
    "moved back": ("git branch -qf feature main", "the branch feature was moved to"),
    "moved on": (f"cd slot; {COMMIT}; git branch -f topic/one", "the branch topic/one was moved to"),
    "checked out in its working copy": (
        f"cd slot; git switch -q feature; {COMMIT}",
        "the branch feature was moved",
    ),
    "dropped": ("git stash drop -q", "the stash lost `WIP on main: "),
    "popped": ("cd slot; git stash pop -q", "the stash lost `WIP on main: "),
    "forgotten": ("git reflog expire --expire=now --all", "the stash lost `WIP on main: "),
}
BY_NO_AGENT = {
    "a commit in a working tree of the user's": f"cd desk; {COMMIT}",
    "a commit in the user's checkout": COMMIT,
    "a commit, and another branch": f"{COMMIT}; git switch -q feature",
    "a rebase": "git switch -q feature; git rebase -q --force-rebase side",
    "a stash that comes and goes": "echo more >.gitignore; git stash -q; git stash pop -q",
    "a new branch": "git branch new",
    "a run's branch": f"git switch -qc pitboss/grind/{RUN_ID}-session-0002; {COMMIT}",
    "packed refs": "git pack-refs --all",
    "nothing": "",
}


def _told(folder: Path, script: str, *, apart: bool = True) -> list[str]:
    subprocess.run(["sh", "-ec", SCENE], cwd=folder, check=True)
    repo = Repo.discover(folder / "repo")
    users = UsersRefs(repo, RUN_ID, apart=apart)
    users.begin()
    (folder / "repo/slot").symlink_to(folder / SLOT)
    (folder / "repo/desk").symlink_to(folder / "desk")
    subprocess.run(["sh", "-ec", script], cwd=folder / "repo", check=True)
    told = list(users.check(3))
    assert list(users.check(3)) == [], "told once"
    return told


@pytest.mark.parametrize(("script", "words"), BY_AGENTS.values(), ids=BY_AGENTS)
def test_what_an_agent_did_is_told(tmp_path: Path, script: str, words: str) -> None:
    (told,) = _told(tmp_path, script)
    assert words in told


@pytest.mark.parametrize("script", BY_NO_AGENT.values(), ids=BY_NO_AGENT)
def test_what_the_user_did_where_no_agent_works_is_not(tmp_path: Path, script: str) -> None:
    assert _told(tmp_path, script) == []


def test_where_agents_work_in_the_users_tree_a_commit_on_another_branch_is_told(tmp_path: Path) -> None:
    (told,) = _told(tmp_path, COMMIT, apart=False)
    assert "the branch main was moved to" in told


def test_a_commit_that_no_ref_holds_is_kept(tmp_path: Path) -> None:
    (told,) = _told(tmp_path, "git branch -qD feature")
    ref = f"refs/pitboss/rescue/{RUN_ID}/session-0003"
    assert told.endswith(f"; kept as {ref}")
    assert Repo.discover(tmp_path / "repo").line("log", "-1", "--format=%s", ref) == "feature"


def test_a_commit_that_git_has_no_more_is_named(tmp_path: Path) -> None:
    (told,) = _told(
        tmp_path, "git branch -qD feature; git reflog expire --expire=now HEAD; git prune --expire=now"
    )
    assert told.endswith(", but git no longer has that commit")


def test_of_many_a_few_are_told(tmp_path: Path) -> None:
    many = " ".join(f"many/{nth}" for nth in range(7))
    subprocess.run(
        ["sh", "-ec", f"{SCENE} for b in {many}; do git branch $b; done"], cwd=tmp_path, check=True
    )
    users = UsersRefs(Repo.discover(tmp_path / "repo"), RUN_ID, apart=True)
    users.begin()
    subprocess.run(["sh", "-ec", f"git branch -qD {many}"], cwd=tmp_path / "repo", check=True)
    assert list(users.check(1))[5:] == ["2 more branches or stashes were deleted or moved"]
