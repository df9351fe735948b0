"""Working copies that a crash left, whole or half made: their work is kept, then they are gone (SPEC 1.2, 7)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git import rescue
from pitboss.git.repo import Repo
from pitboss.git.worktree import remove_session_branch, remove_worktree, session_branches, session_worktrees
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"
SESSION_BRANCH = f"{BRANCH}-session-3"
SETUP = f"""
git init -q -b main .
printf '.pitboss/\\n*.log\\n' > .gitignore && echo one > one && echo log > kept.log && git add -A && git add -f kept.log
git commit -qm first && git branch {BRANCH} && git branch {SESSION_BRANCH}
"""


def sh(cwd: Path, script: str) -> str:
    done = subprocess.run(["sh", "-ec", script], cwd=cwd, capture_output=True, check=True)
    return done.stdout.decode().strip()


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repo:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "some@body")
    root = tmp_path / "repo"
    root.mkdir()
    sh(root, SETUP)
    return Repo.discover(root)


@pytest.fixture
def place(repo: Repo) -> Path:
    """Where the working copy of session 3 is, made by git."""
    folder = RunPaths(repo.root, RUN).worktrees / "session-0003"
    folder.parent.mkdir(parents=True)
    sh(repo.root, f"git worktree add -q {folder} {SESSION_BRANCH}")
    return folder


def kept(repo: Repo) -> dict[str, list[str]]:
    """What each rescue ref changed since the run branch."""
    changed = ("diff", "--name-status", "--no-renames", BRANCH)
    return {
        r.short_name.partition("/")[2]: repo.line(*changed, r.oid).splitlines()
        for r in rescue.list_rescued(repo)
    }


def assert_gone(repo: Repo, place: Path) -> None:
    assert not place.exists()
    assert session_worktrees(repo, RUN) == ()
    assert sh(repo.root, "git worktree list --porcelain").count("worktree ") == 1
    assert sh(repo.root, "git status --porcelain") == ""
    assert [p.name for p in repo.git_dir.iterdir() if "pitboss" in p.name] == []


def test_working_copies_are_found_however_far_they_got(repo: Repo, place: Path) -> None:
    folder, elsewhere = place.parent, repo.root.parent / "mine"
    (folder / "session-0001").mkdir()
    sh(repo.root, f"git worktree add -q --detach {folder}/session-0002; rm -r {folder}/session-0002")
    sh(
        repo.root,
        f"git worktree add -q --detach {elsewhere}; mkdir -p .pitboss/grind/runs/other/worktrees/session-0009",
    )
    names = ("session-0001", "session-0002", "session-0003")
    assert session_worktrees(repo, RUN) == tuple(str(folder / name) for name in names)
    assert session_worktrees(repo, "20270101T000000Z-none") == ()
    assert session_branches(repo, RUN) == (SESSION_BRANCH,)


AGENT = {
    "nothing": ("true", {}),
    "files": ("echo x > x; echo two > one", {"session-0003": ["M\tone", "A\tx"]}),
    "a commit": ("echo x > x; git add x; git commit -qm x", {"session-0003": ["A\tx"]}),
    "a commit and files": (
        "echo x > x; git add x; git commit -qm x; echo y > y",
        {"session-0003": ["A\tx", "A\ty"]},
    ),
    "a commit on no branch": (
        "git checkout -q --detach; echo x > x; git add x; git commit -qm x",
        {"session-0003": ["A\tx"]},
    ),
    "a repository inside": (
        "git init -q in; git -C in commit -q --allow-empty -m x; echo x > in/x; git init -q in/d; echo y > in/d/y",
        {"session-0003": ["A\tin/d/y", "A\tin/x"]},
    ),
    "a repository inside without commits": ("git init -q in; echo x > in/x", {"session-0003": ["A\tin/x"]}),
}
DAMAGE = {
    "whole": "true",
    "no index": "rm $(git rev-parse --git-dir)/index",
    "a broken index": "echo garbage > $(git rev-parse --git-dir)/index",
    "a lock": ": > $(git rev-parse --git-dir)/index.lock",
    "locked by git": "git worktree lock .",
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("agent", AGENT)
def test_a_working_copy_is_removed_after_its_work_is_kept(
    repo: Repo, place: Path, agent: str, damage: str
) -> None:
    script, expected = AGENT[agent]
    sh(place, f"({script}); {DAMAGE[damage]}")
    remove_worktree(repo, RUN, str(place))
    assert kept(repo) == expected
    assert_gone(repo, place)


@pytest.mark.parametrize(
    "damage",
    [
        "rm .git",
        "rm -r $(git rev-parse --git-dir)",
        "echo 'gitdir: /nowhere' > .git",
        "rm -r $(git rev-parse --git-dir) .git",
    ],
    ids=["without its .git", "unknown to git", "pointing nowhere", "a plain folder"],
)
def test_files_of_a_working_copy_that_git_cannot_read_are_kept(repo: Repo, place: Path, damage: str) -> None:
    sh(place, f"echo x > x; rm one; {damage}")
    remove_worktree(repo, RUN, str(place))
    assert kept(repo) == {"session-0003": ["D\tone", "A\tx"]}
    assert_gone(repo, place)


def test_a_working_copy_whose_folder_is_gone_is_forgotten_and_its_commits_are_kept(
    repo: Repo, place: Path
) -> None:
    sh(place, "git checkout -q --detach; echo x > x; git add x; git commit -qm x; rm -r ../session-0003")
    remove_worktree(repo, RUN, str(place))
    assert kept(repo) == {"session-0003": ["A\tx"]}
    assert_gone(repo, place)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_files_that_may_not_be_read_are_kept_too(repo: Repo, place: Path) -> None:
    sh(place, "mkdir d; echo x > d/x; chmod 0 d/x; chmod 500 d")
    remove_worktree(repo, RUN, str(place))
    assert kept(repo) == {"session-0003": ["A\td/x"]}
    assert_gone(repo, place)


def test_removing_twice_is_as_good_as_once(repo: Repo, place: Path) -> None:
    sh(place, "echo x > x")
    remove_worktree(repo, RUN, str(place))
    remove_worktree(repo, RUN, str(place))
    assert kept(repo) == {"session-0003": ["A\tx"]}


def test_a_sessions_branch_is_deleted_after_its_commits_are_kept(repo: Repo) -> None:
    made = sh(
        repo.root,
        f"git checkout -q {SESSION_BRANCH}; echo x > x; git add x; git commit -qm x; git rev-parse HEAD;"
        " git checkout -q main",
    )
    remove_session_branch(repo, RUN, SESSION_BRANCH)
    assert [(r.short_name, r.oid) for r in rescue.list_rescued(repo)] == [(f"{RUN}/session-0003", made)]
    assert session_branches(repo, RUN) == ()
    remove_session_branch(repo, RUN, SESSION_BRANCH)
    assert len(rescue.list_rescued(repo)) == 1


def test_a_sessions_branch_with_nothing_of_its_own_leaves_no_ref(repo: Repo) -> None:
    remove_session_branch(repo, RUN, SESSION_BRANCH)
    assert (rescue.list_rescued(repo), session_branches(repo, RUN)) == ((), ())
