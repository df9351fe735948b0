"""Refs that a session's sandbox leaves open: compared and put back (SPEC 13)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing.shared_refs import SharedRefs

if TYPE_CHECKING:
    from pathlib import Path

RUN, OTHER, ELSEWHERE = "r1", "r0", "of-another-tree"


class Scene:
    """A repository with the branches of three runs, two of which are of this working tree."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repo"
        self.root.mkdir()
        self.aside = folder / "aside"
        self.git("init", "-q", "-b", "main", "--template=")
        self.first, self.second = self.commit(), self.commit()
        for run in (RUN, OTHER, ELSEWHERE):
            self.git("branch", f"pitboss/grind/{run}", self.first)
        self.git("branch", f"pitboss/grind/{OTHER}-session-0001", self.first)
        for run in (RUN, OTHER):
            (self.root / ".pitboss/grind/runs" / run).mkdir(parents=True)
        self.note = folder / "note"
        self.refs = self.again()

    def again(self) -> SharedRefs:
        """As another process has them."""
        return SharedRefs(Repo(self.root, self.root / ".git", self.root / ".git"), RUN, self.note)

    def resume(self, gone_at: float) -> list[str]:
        return list(self.again().resume(gone_at, self._set_aside))

    def git(self, *args: str) -> str:
        env = os.environ | {"GIT_CONFIG_GLOBAL": os.devnull}
        who = ("-c", "user.name=t", "-c", "user.email=t@local")
        done = subprocess.run(
            ("git", *who, *args), cwd=self.root, env=env, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit(self) -> str:
        self.git("commit", "-q", "--allow-empty", "-m", "one")
        return self.git("rev-parse", "HEAD")

    def check(self) -> list[str]:
        return list(self.refs.check(self._set_aside))

    def _set_aside(self, path: Path, name: str) -> Path:
        path.rename(self.aside)
        return self.aside

    def at(self, run: str) -> str:
        return self.git("rev-parse", f"pitboss/grind/{run}")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    scene = Scene(tmp_path)
    scene.refs.begin()
    return scene


def test_nothing_changed_is_nothing_to_say(scene: Scene) -> None:
    assert scene.check() == []


def test_branches_of_other_runs_of_this_tree_are_put_back_once(scene: Scene) -> None:
    for run in (OTHER, RUN, ELSEWHERE):
        scene.git("update-ref", f"refs/heads/pitboss/grind/{run}", scene.second)
    scene.git("branch", "-D", f"pitboss/grind/{OTHER}-session-0001")
    told = scene.check()
    assert [scene.at(run) for run in (OTHER, f"{OTHER}-session-0001")] == [scene.first, scene.first]
    assert [scene.at(run) for run in (RUN, ELSEWHERE)] == [scene.second, scene.second]
    back = f"and was put back to {scene.first}"
    assert sorted(told) == [
        f"the branch pitboss/grind/{OTHER} of another run had been moved to {scene.second}, {back}",
        f"the branch pitboss/grind/{OTHER}-session-0001 of another run had been removed, {back}",
    ]
    assert scene.check() == []


def test_git_may_pack_its_refs(scene: Scene) -> None:
    scene.git("branch", "users")
    scene.git("pack-refs", "--all", "--prune")
    assert scene.check() == []
    assert scene.git("rev-parse", "users") == scene.second
    assert scene.check() == []


def test_refs_that_only_a_new_packed_refs_has_are_dropped(scene: Scene) -> None:
    packed = scene.root / ".git/packed-refs"
    packed.write_text(
        "# pack-refs with: peeled fully-peeled sorted \n"
        f"{scene.first} refs/heads/evil\n{scene.first} refs/heads/main\n{scene.first} refs/tags/v9\n^{scene.second}\n"
    )
    (told,) = scene.check()
    assert told == (
        f"git's packed-refs held refs that were never made: refs/heads/evil, refs/tags/v9; kept as {scene.aside}"
    )
    names = scene.git("for-each-ref", "--format=%(refname)").splitlines()
    assert not {"refs/heads/evil", "refs/tags/v9"} & set(names)
    assert scene.git("rev-parse", "main") == scene.second
    assert scene.check() == []


FORGED = "{0} refs/heads/evil\n"
FUTURE = 10.0**12


def test_a_later_process_puts_back_what_a_killed_one_could_not(scene: Scene) -> None:
    scene.git("update-ref", f"refs/heads/pitboss/grind/{OTHER}", scene.second)
    scene.git("branch", "-D", f"pitboss/grind/{OTHER}-session-0001")
    (scene.root / ".git/packed-refs").write_text(FORGED.format(scene.first))
    assert len(scene.resume(FUTURE)) == 3
    assert [scene.at(run) for run in (OTHER, f"{OTHER}-session-0001")] == [scene.first, scene.first]
    assert scene.git("branch", "--list", "evil") == ""
    assert scene.resume(FUTURE) == []


def test_what_changed_after_the_process_was_gone_is_the_users(scene: Scene) -> None:
    scene.git("update-ref", f"refs/heads/pitboss/grind/{OTHER}", scene.second)
    scene.git("tag", "users", scene.first)
    scene.git("pack-refs", "--all")
    assert scene.resume(0.0) == []
    assert scene.at(OTHER) == scene.second
    assert scene.git("rev-parse", "users") == scene.first


@pytest.mark.parametrize("note", [None, b"", b"\xff", b"[]"])
def test_a_process_that_noted_nothing_is_compared_with_nothing(scene: Scene, note: bytes | None) -> None:
    scene.note.unlink()
    if note is not None:
        scene.note.write_bytes(note)
    scene.git("update-ref", f"refs/heads/pitboss/grind/{OTHER}", scene.second)
    assert scene.resume(FUTURE) == []
    assert scene.at(OTHER) == scene.second


def test_what_another_repository_had_packed_already_is_not_looked_through(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.git("pack-refs", "--all")
    scene.refs.begin()
    scene.git("tag", "users", scene.first)
    scene.git("pack-refs", "--all")
    assert scene.resume(FUTURE) == []
    assert scene.git("rev-parse", "users") == scene.first


def test_a_repository_without_runs(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    for run in (RUN, OTHER, ELSEWHERE, f"{OTHER}-session-0001"):
        scene.git("branch", "-D", f"pitboss/grind/{run}")
    scene.refs.begin()
    assert scene.check() == []
