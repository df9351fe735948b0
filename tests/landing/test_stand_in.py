"""What a folder gathered that stood in for the git directory: nothing of it is lost (SPEC 1.2, 1.6)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing.rescue_refs import list_rescued
from pitboss.landing.stand_in import take_over

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20260101T000000Z-abcd"
BRANCH = f"refs/heads/pitboss/grind/{RUN}"
PERSON = ("-c", "user.name=a", "-c", "user.email=a@local")


class Scene:
    """A repository with a run branch, and another version of it that git went on with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "repo"
        self.other = folder / "other"
        self.git("init", "-q", "-b", "main", str(self.root), at=folder)
        self.commit("one")
        self.git("update-ref", BRANCH, "HEAD")
        self.git("clone", "-q", "--no-local", "--mirror", str(self.root), str(self.other / ".git"), at=folder)
        self.git("config", "core.bare", "false", at=self.other)
        self.repo = Repo(self.root, self.root / ".git", self.root / ".git")

    def git(self, *args: str, at: Path | None = None) -> str:
        argv = ("git", *PERSON, *args)
        return subprocess.run(
            argv, cwd=at or self.root, check=True, capture_output=True, text=True
        ).stdout.strip()

    def commit(self, name: str, at: Path | None = None) -> str:
        (at or self.root).joinpath(name).write_text(f"{name}\n")
        self.git("add", name, at=at)
        self.git("commit", "-q", "-m", name, at=at)
        return self.git("rev-parse", "HEAD", at=at)

    def taken_over(self) -> tuple[str, ...]:
        return take_over(self.repo, RUN, 3, self.other / ".git")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_stand_in_with_nothing_new_leaves_no_trace(scene: Scene) -> None:
    before = scene.git("for-each-ref")
    assert scene.taken_over() == ()
    assert scene.git("for-each-ref") == before


def test_commits_that_nothing_else_names_are_rescued(scene: Scene) -> None:
    new = scene.commit("two", at=scene.other)
    (ref,) = scene.taken_over()
    assert scene.git("rev-parse", ref) == new
    assert scene.git("show", f"{ref}:two") == "two"
    assert [rescued.ref for rescued in list_rescued(scene.repo, RUN, 3)] == [ref]


@pytest.mark.parametrize("packed", [False, True])
def test_a_branch_of_ours_moves_on_with_its_objects(scene: Scene, packed: bool) -> None:
    new = scene.commit("two", at=scene.other)
    scene.git("update-ref", BRANCH, new, at=scene.other)
    scene.git("update-ref", f"{BRANCH}-session-0003", new, at=scene.other)
    if packed:
        scene.git("gc", "-q", at=scene.other)
    assert scene.taken_over() == ()
    assert scene.git("rev-parse", BRANCH, f"{BRANCH}-session-0003").split() == [new, new]
    scene.git("fsck", "--strict")


def test_a_branch_of_ours_never_moves_back_or_aside(scene: Scene) -> None:
    aside = scene.commit("two", at=scene.other)
    scene.git("update-ref", BRANCH, aside, at=scene.other)
    here = scene.commit("three")
    scene.git("update-ref", BRANCH, here)
    (ref,) = scene.taken_over()
    assert scene.git("rev-parse", BRANCH, ref).split() == [here, aside]


def test_branches_of_the_user_stay(scene: Scene) -> None:
    users = scene.git("rev-parse", "main")
    scene.commit("two", at=scene.other)
    scene.taken_over()
    assert scene.git("rev-parse", "main") == users


def test_what_is_no_object_and_no_ref_is_left_alone(scene: Scene) -> None:
    git_dir = scene.other / ".git"
    new = scene.commit("two", at=scene.other)
    os.mkfifo(git_dir / "refs/heads/pipe")
    (git_dir / "refs/heads/garbage").write_text("garbage\n")
    (git_dir / "refs/heads/missing").write_text("1" * 40 + "\n")
    (git_dir / "refs/heads/pitboss/grind").mkdir(parents=True, exist_ok=True)
    (git_dir / f"{BRANCH}-session-0009").write_text("2" * 40 + "\n")
    (git_dir / "objects/ab").mkdir(exist_ok=True)
    (git_dir / f"objects/ab/{'c' * 38}").symlink_to("/etc/passwd")
    (git_dir / "objects/info").mkdir(exist_ok=True)
    (git_dir / "objects/info/alternates").write_text("/elsewhere\n")
    (ref,) = scene.taken_over()
    assert scene.git("rev-parse", ref) == new
    assert not (scene.root / ".git/objects/info/alternates").exists()
    assert not (scene.root / f".git/objects/ab/{'c' * 38}").exists()
    assert "session-0009" not in scene.git("for-each-ref")


def test_a_link_for_objects_is_not_followed(scene: Scene) -> None:
    git_dir = scene.other / ".git"
    scene.commit("two", at=scene.other)
    (git_dir / "objects").rename(scene.folder / "objects")
    (git_dir / "objects").symlink_to(scene.folder / "objects")
    assert scene.taken_over() == ()
