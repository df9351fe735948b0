"""A change is merged without starting git only where the run branch has grown commit by commit since it began."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing.landed import Commit
from pitboss.landing.merging import Merge, merge_onto
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.straight_line import StraightLine
from pitboss.landing.user_checkout import RescueLabel
from tests.support.commit_streams import CommitStream, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"
FILES = ("one", "two", "three", "folder/four")


class World:
    """A run branch at a commit with some files, and git's own account of the merges that it made."""

    def __init__(self, root: Path) -> None:
        subprocess.run(["git", "init", "-q", "-b", "main", str(root)], check=True, capture_output=True)
        self.traces = root / "traces"
        self.traces.mkdir()
        self.repo = Repo.discover(root)
        stream = CommitStream(self.repo)
        stream.commit(put(path, b"as it was\n") for path in FILES)
        self.base = stream.write(packed=False)[1]
        self.repo.git("update-ref", f"refs/heads/{BRANCH}", self.base)
        traced = Repo(
            root, self.repo.git_dir, self.repo.common_dir, variables={"GIT_TRACE2_EVENT": str(self.traces)}
        )
        self.kept = traced.keep_running()
        self.repo = traced
        self.branch = RunBranch(traced, BRANCH, checked_out=False)

    def edit(self, path: str, content: bytes = b"edited\n", *, parent: str | None = None) -> str:
        """A commit that edits one file, or adds it."""
        parent = parent or self.base
        blob = self.repo.git("hash-object", "-w", "--stdin", stdin=content).decode().strip()
        index = {"GIT_INDEX_FILE": str(self.repo.inside("scratch"))}
        self.repo.git("read-tree", parent, env=index)
        self.repo.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}", env=index)
        tree = self.repo.git("write-tree", env=index).decode().strip()
        return self.repo.commit_tree(tree, parent=parent, message=f"edit {path}\n")

    def merge(self, change: str, *, parent: str | None = None, own: bool = True) -> Merge:
        commit = Commit(oid=change, parents=(parent or self.base,), message="edit\n", own=own)
        return merge_onto(self.repo, self.branch, change, [commit], "merge\n")

    def land(self, change: str, seq: int) -> None:
        merged = self.merge(change) if self.branch.tip != self.base else Merge(commit=change)
        assert merged.commit is not None
        self.branch.advance(merged.commit, seq)

    def merges(self) -> int:
        """How often git was started to merge."""
        told = [trace.read_text() for trace in self.traces.iterdir()]
        return sum('"name":"merge-tree"' in events for events in told)

    def content(self, path: str) -> bytes:
        return self.repo.git("show", f"{self.branch.tip}:{path}")

    def reconcile(self) -> None:
        self.branch.reconcile(RescueLabel.of(RUN, 1, "chore"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.kept.close()


def test_changes_land_one_after_another_without_a_merge_by_git(world: World) -> None:
    paths = (*FILES[:2], "folder/new", "newer/file")
    for seq, path in enumerate(paths, 1):
        world.land(world.edit(path), seq)
    assert [world.content(path) for path in paths] == [b"edited\n"] * 4
    line = world.repo.git("rev-list", "--parents", world.branch.tip).decode().splitlines()
    assert [len(each.split()) for each in line] == [2, 2, 2, 2, 1]
    assert world.merges() == 0


def test_an_agents_one_commit_stays_reachable(world: World) -> None:
    world.land(world.edit("one"), 1)
    tip, change = world.branch.tip, world.edit("two")
    made = world.merge(change, own=False).commit
    assert made is not None
    assert world.repo.line("log", "--max-count=1", "--format=%P", made) == f"{tip} {change}"
    world.branch.advance(made, 2)
    assert world.merges() == 0
    world.land(world.edit("three"), 3)  # what the merge brought may be in any change
    assert world.merges() == 1
    assert [world.content(path) for path in FILES[:3]] == [b"edited\n"] * 3


def test_edits_of_one_file_conflict(world: World) -> None:
    world.land(world.edit("one"), 1)
    world.land(world.edit("two"), 2)
    assert world.merge(world.edit("one", b"otherwise\n")).conflicts == ("one",)
    assert world.merges() == 1


def test_git_merges_a_change_that_began_where_the_branch_never_was(world: World) -> None:
    elsewhere = world.edit("one", b"elsewhere\n")
    world.land(world.edit("two"), 1)
    world.land(world.edit("three"), 2)
    merged = world.merge(world.edit("folder/four", parent=elsewhere), parent=elsewhere)
    assert merged.commit is not None
    assert world.repo.git("show", f"{merged.commit}:one") == b"elsewhere\n"
    assert world.merges() == 1


def test_git_merges_a_change_that_others_merged_and_took_back(world: World) -> None:
    world.land(world.edit("two"), 1)
    tip, change = world.branch.tip, world.edit("one")
    tree = world.repo.line("rev-parse", f"{tip}^{{tree}}")
    taken = world.repo.commit_tree(tree, parent=tip, merged=change, message="merged, as it was\n")
    world.repo.git("update-ref", world.branch.ref, taken)
    world.reconcile()
    assert world.merge(change) == Merge()
    assert world.merges() == 1
    world.branch.advance(world.edit("three", parent=taken), 2)
    assert world.merge(change) == Merge()
    assert world.merges() == 2


def test_a_change_that_has_landed_and_was_taken_back_is_not_landed_again(world: World) -> None:
    change = world.edit("one")
    world.land(change, 1)
    world.branch.advance(world.edit("one", b"as it was\n", parent=change), 2)
    world.branch.advance(world.edit("two", parent=world.branch.tip), 3)
    assert world.merge(change) == Merge()
    assert world.merges() == 1


def test_a_line_goes_on_while_each_commit_has_the_one_before_as_its_only_parent() -> None:
    line = StraightLine()
    assert not line.leads("a", "a")
    line.add("b", ("a",))
    line.add("c", ("b",))
    assert [line.leads(each, "c") for each in "abcd"] == [True, True, True, False]
    assert not line.leads("a", "b")  # it has gone on
    assert "b" in line
    assert "d" not in line


@pytest.mark.parametrize("parents", [("x",), ("c", "x"), ("a",), ()])
def test_another_line_begins_with_a_commit_that_does_not_go_on_with_it(parents: tuple[str, ...]) -> None:
    line = StraightLine()
    line.add("b", ("a",))
    line.add("c", ("b",))
    line.add("d", parents)
    assert line.leads("d", "d")
    assert not line.leads("b", "d")
    assert not line.leads("c", "d")
    assert all(line.leads(each, "d") for each in parents if len(parents) == 1)
