"""Rescue refs that an agent deletes or moves are put back; those that somebody drops are not (SPEC 1.2)."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing.kept_rescues import KeptRescues, note_dropped
from pitboss.landing.rescue_refs import drop, keep, list_rescued, why_kept

if TYPE_CHECKING:
    from pathlib import Path

RUN = "r1"
FIRST, SECOND = (f"refs/pitboss/rescue/{RUN}/session-000{seq}" for seq in (1, 2))


class Scene:
    """A repository in which two sessions were rescued, and a look has seen it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "repo"
        self.root.mkdir()
        self.git("init", "-q", "-b", "main", "--template=")
        self.repo = Repo(self.root, self.root / ".git", self.root / ".git")
        self.note = folder / "rescues.json"
        self.rescues = self.again()
        self.oids = {ref: self.rescued(seq) for seq, ref in ((1, FIRST), (2, SECOND))}
        assert self.check() == []

    def again(self) -> KeptRescues:
        """As another process has them."""
        return KeptRescues(self.repo, RUN, self.note)

    def rescued(self, seq: int) -> str:
        oid = self.commit(f"work of {seq}")
        keep(self.repo, RUN, seq, [oid], why=f"failed: {seq}")
        return oid

    def commit(self, words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@local")
        tree = self.git("hash-object", "-t", "tree", "-w", "--stdin")
        return self.git(*who, "commit-tree", tree, "-m", words)

    def git(self, *args: str) -> str:
        done = subprocess.run(
            ("git", *args), cwd=self.root, check=True, capture_output=True, text=True, input=""
        )
        return done.stdout.strip()

    def check(self) -> list[str]:
        return list(self.rescues.check())

    def held(self) -> dict[str, str]:
        return {each.ref: each.oid for each in list_rescued(self.repo, RUN)}


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_a_deleted_ref_is_back_with_its_reason(scene: Scene, packed: bool) -> None:
    if packed:
        scene.git("pack-refs", "--all", "--prune")
        assert scene.check() == []
    scene.git("update-ref", "-d", FIRST)
    (told,) = scene.check()
    assert told == f"{FIRST}, which keeps a session's work, had been deleted, and was put back"
    assert scene.held() == scene.oids
    assert why_kept(scene.repo, FIRST) == "failed: 1"
    assert scene.check() == []


def test_all_of_them_deleted_as_a_pruning_fetch_does(scene: Scene) -> None:
    empty = scene.root.parent / "empty.git"
    scene.git("init", "-q", "--bare", str(empty))
    scene.git("fetch", "-q", "--prune", str(empty), "+refs/*:refs/*")
    assert scene.held() == {}
    assert len(scene.check()) == 2
    assert scene.held() == scene.oids


def test_a_moved_ref_is_put_back_and_what_it_was_moved_to_is_kept(scene: Scene) -> None:
    other = scene.commit("theirs")
    scene.git("update-ref", FIRST, other)
    (told,) = scene.check()
    assert f"moved to {other}" in told
    assert scene.held() == scene.oids | {f"{FIRST}-2": other}


def test_a_ref_that_stands_for_a_branch_is_put_back_and_the_branch_stays(scene: Scene) -> None:
    theirs = scene.commit("theirs")
    scene.git("update-ref", "refs/heads/main", theirs)
    scene.git("symbolic-ref", FIRST, "refs/heads/main")
    scene.check()
    assert scene.held()[FIRST] == scene.oids[FIRST]
    assert scene.git("rev-parse", "refs/heads/main") == theirs


def test_a_ref_in_place_of_their_folder_makes_way(scene: Scene) -> None:
    for ref in scene.oids:
        scene.git("update-ref", "-d", ref)
    scene.git("update-ref", f"refs/pitboss/rescue/{RUN}", scene.commit("theirs"))
    scene.check()
    scene.check()
    assert scene.held().items() >= scene.oids.items()


def test_a_dropped_ref_stays_away(scene: Scene) -> None:
    first = next(each for each in list_rescued(scene.repo, RUN) if each.ref == FIRST)
    note_dropped(scene.repo, first)
    drop(scene.repo, first)
    assert scene.check() == []
    assert scene.held() == {SECOND: scene.oids[SECOND]}


def test_the_next_process_knows_them_too(scene: Scene) -> None:
    scene.git("update-ref", "-d", SECOND)
    scene.rescues = scene.again()
    scene.rescues.resume(gone_at=float("inf"))
    assert len(scene.check()) == 1
    assert scene.held() == scene.oids


@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_what_somebody_deletes_while_nothing_runs_stays_away(scene: Scene, packed: bool) -> None:
    if packed:
        scene.git("pack-refs", "--all", "--prune")
    gone_at = time.time()
    time.sleep(0.05)
    scene.git("update-ref", "-d", SECOND)
    scene.rescues = scene.again()
    scene.rescues.resume(gone_at)
    assert scene.check() == []
    assert scene.held() == {FIRST: scene.oids[FIRST]}


def test_a_commit_that_git_no_longer_has_is_said_once(scene: Scene) -> None:
    scene.git("update-ref", "-d", FIRST)
    scene.git("reflog", "expire", "--expire=now", "--all")
    scene.git("prune", "--expire=now")
    (told,) = scene.check()
    assert told.endswith(f"git no longer has the commit {scene.oids[FIRST]} that it kept")
    assert scene.check() == []


def test_while_nothing_is_rescued_and_while_nothing_changes_git_is_not_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = Scene(tmp_path)
    monkeypatch.setattr(scene.repo, "git", None)
    monkeypatch.setattr(scene.repo, "begin_git", None)
    assert scene.check() == []
    nothing = KeptRescues(scene.repo, "another", tmp_path / "note")
    assert list(nothing.check()) == []
