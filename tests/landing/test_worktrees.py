"""Working copies that a crash left, whole or half made: their work is kept, then they are gone (SPEC 1.2, 7)."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing import rescue_refs
from pitboss.landing.listing import session_refs, session_worktrees
from pitboss.landing.worktrees import (
    GONE,
    hold_branch,
    remove_session_branch,
    remove_worktree,
)
from pitboss.store.paths import RunPaths
from tests.support.cli import PATIENCE_S, wait_until
from tests.support.shell import sh

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
        for r in rescue_refs.list_rescued(repo)
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
    assert session_refs(repo, RUN).branches == (SESSION_BRANCH,)


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
        {
            "session-0003": ["A\tin/d/y", "A\tin/x"],
            "session-0003-2": ["D\t.gitignore", "D\tkept.log", "D\tone"],  # its empty commit
        },
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
    assert [(r.short_name, r.oid) for r in rescue_refs.list_rescued(repo)] == [(f"{RUN}/session-0003", made)]
    assert session_refs(repo, RUN).branches == ()
    remove_session_branch(repo, RUN, SESSION_BRANCH)
    assert len(rescue_refs.list_rescued(repo)) == 1


def test_a_sessions_branch_with_nothing_of_its_own_leaves_no_ref(repo: Repo) -> None:
    remove_session_branch(repo, RUN, SESSION_BRANCH)
    assert (rescue_refs.list_rescued(repo), session_refs(repo, RUN).branches) == ((), ())


def test_a_slots_work_is_named_after_the_session_whose_branch_is_there(repo: Repo) -> None:
    places = [RunPaths(repo.root, RUN).worktrees / f"slot-{nth}" for nth in (7, 8)]
    sh(
        repo.root,
        f"git worktree add -q {places[0]} {SESSION_BRANCH}; git worktree add -q --detach {places[1]}",
    )
    for place in places:
        sh(place, f"echo {place.name} > x")
        remove_worktree(repo, RUN, str(place))
    assert_gone(repo, places[0])
    assert_gone(repo, places[1])
    assert kept(repo) == {"session-0003": ["A\tx"], "session-0000": ["A\tx"]}


def test_a_working_copy_without_files_has_nothing_to_rescue(repo: Repo) -> None:
    place = RunPaths(repo.root, RUN).worktrees / "slot-1"
    sh(repo.root, f"git worktree add -q --no-checkout {place} {SESSION_BRANCH}")
    remove_worktree(repo, RUN, str(place))
    assert_gone(repo, place)
    assert kept(repo) == {}


def test_a_working_copy_that_git_was_killed_while_making_has_nothing_to_rescue(repo: Repo) -> None:
    place = RunPaths(repo.root, RUN).worktrees / "slot-1"
    sh(repo.root, f"git worktree add -q {place} {SESSION_BRANCH}; rm {place}/one")
    (repo.common_dir / "worktrees/slot-1/locked").write_text("initializing\n")
    remove_worktree(repo, RUN, str(place))
    assert_gone(repo, place)
    assert kept(repo) == {}


def test_the_run_branch_can_be_held_so_that_nobody_checks_it_out(repo: Repo) -> None:
    place = RunPaths(repo.root, RUN).worktrees / "run-branch"
    hold_branch(repo, RUN, BRANCH)
    hold_branch(repo, RUN, BRANCH)
    refused = subprocess.run(["git", "checkout", BRANCH], cwd=repo.root, capture_output=True, check=False)
    assert (refused.returncode, [p.name for p in place.iterdir()]) == (128, [".git"])
    assert session_worktrees(repo, RUN) == (str(place),)
    remove_worktree(repo, RUN, str(place))
    assert_gone(repo, place)
    assert kept(repo) == {}
    sh(repo.root, f"git checkout -q {BRANCH}")


def test_a_damaged_hold_on_the_run_branch_is_made_again(repo: Repo) -> None:
    place = RunPaths(repo.root, RUN).worktrees / "run-branch"
    for damage in (f"rm {place}/.git", f"rm -r {place}", f"git -C {place} checkout -q --detach"):
        hold_branch(repo, RUN, BRANCH)
        sh(repo.root, damage)
        hold_branch(repo, RUN, BRANCH)
        assert sh(place, "git symbolic-ref HEAD") == f"refs/heads/{BRANCH}"


def test_a_working_copy_whose_deletion_was_cut_short_has_nothing_left_to_rescue(repo: Repo) -> None:
    place = RunPaths(repo.root, RUN).worktrees / f"{GONE}slot-1-4711"
    place.mkdir(parents=True)
    (place / "old.txt").write_text("in no commit that anybody looks at\n")

    assert str(place) in session_worktrees(repo, RUN)
    remove_worktree(repo, RUN, str(place))

    assert session_worktrees(repo, RUN) == ()
    assert rescue_refs.list_rescued(repo, RUN) == ()


def test_working_copies_that_go_at_the_same_moment_are_rescued_each_by_itself(
    repo: Repo, place: Path, tmp_path: Path
) -> None:
    beside = place.with_name("session-0004")
    sh(repo.root, f"git worktree add -q -b {BRANCH}-session-4 {beside}; rm -r .git/worktrees")
    begun, go_on = tmp_path / "begun", tmp_path / "go-on"
    slow = f"touch {begun}; until [ -e {go_on} ]; do sleep 0.01; done; cat"
    sh(repo.root, f"git config filter.slow.clean '{slow}'")
    (place / ".gitattributes").write_text("three filter=slow\n")
    (place / "three").write_text("three\n")
    (beside / "four").write_text("four\n")

    with ThreadPoolExecutor() as pool:
        first = pool.submit(remove_worktree, repo, RUN, str(place))
        try:
            wait_until(begun.exists)
            remove_worktree(repo, RUN, str(beside))
        finally:
            go_on.touch()
        first.result(timeout=PATIENCE_S)

    kept = rescue_refs.list_rescued(repo, RUN)
    assert [
        repo.git("show", f"{kept.oid}:{name}") for kept, name in zip(kept, ("three", "four"), strict=True)
    ] == [
        b"three\n",
        b"four\n",
    ]
