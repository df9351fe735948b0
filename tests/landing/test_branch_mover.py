"""The run branch moves by a git that is kept running, unless a hook of the user's has to know (SPEC 6, 7)."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.committer import UserHooks
from pitboss.git.errors import GitError
from pitboss.git.repo import Repo
from pitboss.landing.branch_mover import BranchMover
from pitboss.landing.finished import FinishedBranches
from tests.support.processes import leave_out_children, living_children

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
REF = f"refs/heads/pitboss/grind/{RUN}"


class World:
    """A repository with a run branch, and a mover of it that keeps a git running."""

    def __init__(self, root: Path) -> None:
        leave_out_children()
        self.root = root
        self.git("init", "-q", "-b", "main")
        self.tip = self.commit("first")
        self.git("update-ref", REF, self.tip)
        self.repo = Repo.discover(root)
        self.finished = FinishedBranches(self.repo, RUN)
        self.mover = BranchMover(self.repo, REF)
        self.mover.keep_git(UserHooks())

    def git(self, *args: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=b")
        done = subprocess.run(["git", *who, *args], cwd=self.root, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def commit(self, words: str) -> str:
        self.git("commit", "-q", "--allow-empty", "-m", words)
        return self.git("rev-parse", "HEAD")

    def move(self, seq: int) -> None:
        """Land an empty commit as session `seq`."""
        new = self.commit(f"session {seq}")
        self.mover.move(self.tip, new, seq, self.finished)
        self.tip = new

    @property
    def is_there(self) -> bool:
        """Whether the branch is where it was moved to."""
        return self.git("rev-parse", REF) == self.tip

    def reflog(self) -> list[str]:
        return self.git("reflog", "--format=%gs", REF).splitlines()

    def hook(self, text: str) -> Path:
        hook = self.root / ".git/hooks/reference-transaction"
        hook.write_text(f"#!/bin/sh\n{text}\n")
        hook.chmod(0o755)
        return hook

    def pretend(self, text: str) -> None:
        """Put a script in the place of git, for the git that is kept running: `$GIT` is the real one."""
        folder = self.root / ".git" / "bin"
        folder.mkdir()
        script = folder / "git"
        script.write_text(f"#!/bin/sh\nPATH={os.environ['PATH']}\n{text}\n")
        script.chmod(0o755)
        honest = self.repo.pinned["PATH"]
        self.repo.pinned["PATH"] = f"{folder}:{honest}"
        self.mover.keep_git(UserHooks())
        self.repo.pinned["PATH"] = honest


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.mover.rest()


def test_one_git_moves_it_again_and_again_and_its_log_says_so(world: World) -> None:
    world.git("config", "core.logAllRefUpdates", "false")
    world.move(1)
    child = living_children()
    world.move(2)
    assert world.is_there
    assert (living_children(), len(child)) == (child, 1)
    assert world.reflog()[:2] == ["pitboss: a session landed"] * 2
    world.mover.rest()
    assert living_children() == []


def test_a_hook_for_changes_of_refs_is_asked_from_when_it_is_there(world: World) -> None:
    world.move(1)
    said = world.root / "said"
    hook = world.hook(f'[ "$1" = prepared ] || exit 0\ncat >>{said}\nexit 1')
    before = world.tip
    with pytest.raises(GitError, match="aborted by hook"):
        world.mover.move(before, world.git("rev-parse", f"{before}^"), 2, world.finished)
    assert f" {REF}\n" in said.read_text()
    assert world.is_there
    hook.unlink()
    world.move(3)
    assert world.is_there


def test_a_git_that_was_killed_is_started_again(world: World) -> None:
    world.move(1)
    (child,) = living_children()
    os.kill(child, signal.SIGKILL)
    world.move(2)
    world.move(3)
    assert world.is_there


PROMISES = 'while read -r line; do [ "$line" = prepare ] && echo "prepare: ok" && exit; done'


def test_a_git_that_dies_before_it_moves_the_branch_is_made_up_for(world: World) -> None:
    world.pretend(PROMISES)
    world.move(1)
    assert world.is_there
    assert world.reflog()[0] == "pitboss: session 1 landed"


def test_a_git_that_dies_after_it_moved_the_branch_has_moved_it(world: World) -> None:
    moves = 'git update-ref -m quietly "$ref" "$new" "$old"'
    world.pretend(
        f'while read -r word ref new old; do [ "$word" = update ] && {moves}; '
        '[ "$word" = prepare ] && echo "prepare: ok" && exit; done'
    )
    world.move(1)
    assert world.is_there
    assert world.reflog()[0] == "quietly"
