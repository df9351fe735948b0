"""The user's checkout follows the run branch, and never moves it (SPEC 6)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.user_checkout import RescueLabel, UserCheckout

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"


class World:
    """A checkout of a run branch whose files are those of the first commit; two more have landed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", BRANCH)
        self.first, self.second, self.third = map(self.commit, ("first", "second", "third"))
        self.git("read-tree", "-m", "-u", self.third, self.first)
        self.checkout = UserCheckout(Repo.discover(root), BRANCH)

    def git(self, *args: str) -> str:
        who = ("-c", "user.name=a", "-c", "user.email=b")
        done = subprocess.run(["git", *who, *args], cwd=self.root, check=True, capture_output=True)
        return done.stdout.decode().strip()

    def commit(self, name: str, *how: str) -> str:
        (self.root / f"{name}.big").write_text(f"{name}\n")
        (self.root / ".gitattributes").write_text("*.big filter=big\n")
        self.git("add", "--all")
        self.git("commit", "-q", "-m", name, *how)
        return self.git("rev-parse", "HEAD")

    @property
    def files(self) -> list[str]:
        return sorted(path.name for path in self.root.glob("*.big"))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_a_checkout_that_cannot_be_written_leaves_what_has_landed_since_on_the_branch(
    world: World,
) -> None:
    world.git("config", "filter.big.clean", "cat")
    world.git("config", "filter.big.smudge", "false")
    world.git("config", "filter.big.required", "true")
    label = RescueLabel.of(RUN, 1, "chore")
    assert world.checkout.follow(world.first, world.second, label) == ()
    assert world.git("rev-parse", "HEAD", BRANCH).split() == [world.third] * 2
    world.git("config", "filter.big.smudge", "cat")
    assert world.checkout.follow(world.second, world.third, label) == ()
    assert world.git("rev-parse", "HEAD") == world.third
    assert world.files == ["first.big", "second.big", "third.big"]


@pytest.mark.parametrize("how", ["update-ref HEAD", "reset --quiet --hard"])
def test_a_checkout_that_has_yet_to_follow_does_so_when_what_others_did_to_the_branch_is_undone(
    world: World, how: str
) -> None:
    world.git("reset", "--quiet", "--hard", world.third)
    landing = world.commit("fourth")
    amended = world.commit("fifth", "--amend")
    world.git("reset", "--quiet", "--hard", world.third)
    branch = RunBranch(Repo.discover(world.root), BRANCH, checked_out=True)
    assert branch.tip == world.third
    branch.advance(landing, 4)  # from elsewhere: files and index are still those of the third
    world.git(*how.split(), amended)
    assert branch.reconcile(RescueLabel.of(RUN, 5, "chore"))
    assert world.git("rev-parse", "HEAD") == landing
    assert world.git("status", "--porcelain") == ""
    assert world.files == ["first.big", "fourth.big", "second.big", "third.big"]
