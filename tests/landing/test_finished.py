"""Branches of sessions with a record go with the next landing, and only those that nobody needs (SPEC 2, 6)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.committer import UserHooks
from pitboss.git.errors import GitError
from pitboss.git.repo import Repo
from pitboss.landing.finished import FinishedBranch
from pitboss.landing.rescue_refs import list_rescued
from pitboss.landing.run_branch import BranchMoved, RunBranch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"
SEQ = 3


class World:
    """A run branch, and the branches of sessions 1 to 3 at the commit where the run began."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main")
        self.base = self.commit("first")
        for name in (BRANCH, *map(self.name, (1, 2, 3))):
            self.git("branch", name, self.base)
        self.branch = RunBranch(Repo.discover(root), BRANCH, checked_out=False)
        self.free = {1: True, 2: True, 3: False}
        for seq in self.free:
            self.branch.finished.add(self.finished(seq))

    def git(self, *args: str, stdin: str = "") -> str:
        who = ("-c", "user.name=a", "-c", "user.email=b")
        done = subprocess.run(
            ["git", *who, *args], cwd=self.root, input=stdin.encode(), check=True, capture_output=True
        )
        return done.stdout.decode().strip()

    def commit(self, words: str) -> str:
        self.git("commit", "-q", "--allow-empty", "-m", words)
        return self.git("rev-parse", "HEAD")

    def name(self, seq: int) -> str:
        return f"{BRANCH}-session-{seq:04}"

    def finished(self, seq: int) -> FinishedBranch:
        return FinishedBranch(
            seq=seq, branch=self.name(seq), settled=self.base, is_free=lambda: self.free[seq]
        )

    @property
    def left(self) -> list[int]:
        """The sessions whose branches are there."""
        listed = self.git("branch", "--list", f"{BRANCH}-session-*", "--format=%(refname:short)")
        return [int(name[-1]) for name in listed.split()]


@pytest.fixture(params=["started", "kept running"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    made = World(tmp_path)
    if request.param == "kept running":
        made.branch.mover.keep_git(UserHooks())
    yield made
    made.branch.mover.rest()


def test_they_go_with_the_next_landing_unless_a_working_copy_is_on_them(world: World) -> None:
    new = world.commit("second")
    world.branch.advance(new, SEQ)
    assert (world.branch.tip, world.left) == (new, [3])

    world.free[3] = True
    world.branch.advance(world.commit("third"), SEQ)
    assert world.left == []


def test_one_that_somebody_moved_is_rescued_and_goes_and_so_do_the_others(world: World) -> None:
    theirs = world.commit("theirs")
    world.git("branch", "-f", world.name(1), theirs)
    world.git("reset", "-q", "--hard", world.base)

    new = world.commit("second")
    world.branch.advance(new, SEQ)

    assert (world.branch.tip, world.left) == (new, [3])
    assert [kept.oid for kept in list_rescued(Repo.discover(world.root), RUN, 1)] == [theirs]


def test_one_that_somebody_deleted_keeps_nothing_else(world: World) -> None:
    world.git("branch", "-D", world.name(2))
    new = world.commit("second")
    world.branch.advance(new, SEQ)
    assert (world.branch.tip, world.left) == (new, [3])


def test_where_the_run_branch_cannot_move_none_goes(world: World) -> None:
    assert world.branch.tip == world.base
    world.git("update-ref", f"refs/heads/{BRANCH}", world.commit("somebody"))
    with pytest.raises(BranchMoved):
        world.branch.advance(world.commit("second"), SEQ)
    assert world.left == [1, 2, 3]
    assert [finished.seq for finished in world.branch.finished.take()] == [1, 2]


def test_where_git_cannot_move_the_branch_the_error_is_its_own(world: World) -> None:
    lock = world.root / f".git/refs/heads/{BRANCH}.lock"
    lock.touch()
    with pytest.raises(GitError):
        world.branch.advance(world.commit("second"), SEQ)
    lock.unlink()
    world.branch.advance(world.commit("third"), SEQ)
    assert world.left == [3]


def test_when_the_run_is_over_all_go(world: World) -> None:
    world.branch.finished.delete_all()
    assert world.left == []


def test_when_the_run_is_over_one_that_somebody_moved_is_rescued(world: World) -> None:
    theirs = world.commit("theirs")
    world.git("branch", "-f", world.name(1), theirs)
    world.git("reset", "-q", "--hard", world.base)
    world.branch.finished.delete_all()
    assert world.left == []
    assert [kept.oid for kept in list_rescued(Repo.discover(world.root), RUN, 1)] == [theirs]


def test_one_that_git_cannot_delete_now_goes_later(world: World) -> None:
    lock = world.root / f".git/refs/heads/{world.name(1)}.lock"
    lock.touch()
    world.branch.advance(world.commit("second"), SEQ)
    assert world.left == [1, 3]
    lock.unlink()
    world.branch.advance(world.commit("third"), SEQ)
    assert world.left == [3]


def test_they_go_with_whatever_else_changes_refs(world: World) -> None:
    new = world.commit("second")
    world.branch.finished.delete_with(f"update refs/heads/{BRANCH} {new}")
    assert (world.git("rev-parse", BRANCH), world.left) == (new, [3])


def test_a_change_of_refs_happens_even_if_one_of_them_was_moved(world: World) -> None:
    theirs = world.commit("theirs")
    world.git("branch", "-f", world.name(1), theirs)
    world.branch.finished.delete_with(f"update refs/heads/{BRANCH} {theirs}")
    assert (world.git("rev-parse", BRANCH), world.left) == (theirs, [3])
