"""Working copies after a crash: what is released is only what had begun (SPEC 1.2, 7)."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pitboss import proctree
from pitboss.core.config import WorktreeSettings
from pitboss.core.session import Assignment, Landing
from pitboss.git.repo import Repo
from pitboss.landing.listing import session_worktrees
from pitboss.landing.places import GitPlaces
from pitboss.landing.rescue_refs import list_rescued
from pitboss.landing.run_branch import RunBranch
from pitboss.landing.site import Site
from pitboss.landing.slot_place import SlotPlace
from pitboss.store.paths import RunPaths
from tests.support.cli import wait_until
from tests.support.shell import sh
from tests.support.threads import only_so_many

RUN = "20260101T000000Z-abcd"
BRANCH = f"pitboss/grind/{RUN}"


def opened(root: Path) -> GitPlaces:
    """The run's places as a new process would open them."""
    repo = Repo.discover(root)
    branch = RunBranch(repo, BRANCH, checked_out=False)
    paths = RunPaths(root, RUN)
    return GitPlaces(Site(repo=repo, branch=branch, paths=paths, worktree=WorktreeSettings()))


def session(root: Path, seq: int, worktree: str) -> Assignment:
    return Assignment(
        seq=seq,
        prompt="alpha",
        rotation=seq,
        started_at=datetime.now(UTC),
        base_commit=sh(root, f"git rev-parse {BRANCH}"),
        worktree=worktree,
        branch=f"{BRANCH}-session-{seq:04}",
    )


def work_and_vacate(root: Path, places: GitPlaces, seq: int, worktree: str) -> None:
    """A session finds the slot as it should be, edits a file and leaves, before it has landed."""
    place = places.at(session(root, seq, worktree))
    place.prepare()
    edited = root / f".pitboss/grind/runs/{RUN}/{worktree}/a"
    assert edited.read_text() == "one\n"
    edited.write_text("two\n")
    place.commit("landed\n")
    place.vacate(str(place.committed()))
    place.release()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with a run branch."""
    root = tmp_path / "repo"
    root.mkdir()
    sh(
        root,
        "git init -q -b main .; echo .pitboss/ >.gitignore; echo one >a; git add -A;"
        f" git -c user.name=u -c user.email=u@l commit -qm start; git branch {BRANCH}",
    )
    return root


def test_work_that_landed_in_another_repository_is_not_rescued_from_the_slot(root: Path) -> None:
    places = opened(root)
    worktree = str(places.reserve(1, in_slot=True).worktree)
    for seq in (1, 2):
        work_and_vacate(root, places, seq, worktree)
    assert list_rescued(Repo.discover(root), RUN) == ()
    places.close()
    assert list_rescued(Repo.discover(root), RUN) == ()
    assert sh(root, "git branch --format='%(refname:short)'").split() == ["main", BRANCH]


UNUSUAL = {
    "a file where git's notes are to go": "touch {copy}/.git-slot-1",
    "a lock that is a folder": "mkdir .git/worktrees/slot-1/locked",
}


@pytest.mark.parametrize("script", UNUSUAL.values(), ids=UNUSUAL)
def test_git_knows_no_slot_after_the_last_session_whatever_it_left(root: Path, script: str) -> None:
    sh(root, "echo .git-slot-1 >>.git/info/exclude")
    places = opened(root)
    worktree = str(places.reserve(1, in_slot=True).worktree)
    work_and_vacate(root, places, 1, worktree)
    sh(root, script.format(copy=f".pitboss/grind/runs/{RUN}/{worktree}"))
    places.close()
    assert sh(root, "git worktree list --porcelain").count("worktree ") == 1
    assert session_worktrees(Repo.discover(root), RUN) == ()
    assert list_rescued(Repo.discover(root), RUN) == ()
    assert sh(root, f"git branch --list '{BRANCH}-*'") == ""


def test_slots_go_also_where_the_system_starts_no_more_threads(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = opened(root)
    for seq in (1, 2):
        work_and_vacate(root, places, seq, str(places.reserve(seq, in_slot=True).worktree))
    only_so_many(0, monkeypatch)
    places.close()
    assert session_worktrees(Repo.discover(root), RUN) == ()
    assert sh(root, "git worktree list --porcelain").count("worktree ") == 1
    assert not list((root / f".pitboss/grind/runs/{RUN}").glob("worktrees/*"))


def test_a_commit_that_has_begun_in_a_slot_ends_with_the_slot(root: Path) -> None:
    places = opened(root)
    worktree = str(places.reserve(1, in_slot=True).worktree)
    slot = root / f".pitboss/grind/runs/{RUN}/{worktree}"
    for seq in (1, 2):
        place = places.at(session(root, seq, worktree))
        place.prepare()
        if seq == 2:
            (slot / "a").write_text("another size\n")
        place.look_ahead()
        if seq == 2:
            wait_until(commits_underway)
            shutil.rmtree(slot)
        landing = place.land("landed\n")
        place.release()
    assert landing == Landing(reason="head_moved: its working copy is gone")
    assert commits_underway() == []
    places.close()


def commits_underway() -> list[int]:
    """The processes of git that wait for the message of a commit."""
    commands = ((pid, Path(f"/proc/{pid}/cmdline").read_bytes()) for pid in proctree.children(os.getpid()))
    return [pid for pid, command in commands if b"\0commit\0" in command and b"hash-object" not in command]


@pytest.mark.parametrize("stand_in", [False, True])
def test_a_slot_that_was_moved_away_is_brought_back_by_the_process_that_made_it_and_by_the_next(
    root: Path, tmp_path: Path, stand_in: bool
) -> None:
    first = session(root, 1, str(opened(root).reserve(1, in_slot=True).worktree))
    made = opened(root).at(first)
    made.prepare()
    places = opened(root)
    slot = root / f".pitboss/grind/runs/{RUN}/worktrees/slot-1"
    (slot / "work").write_text("work\n")
    sh(root, f"git worktree move {slot} {tmp_path}/moved")
    place = places.at(first)
    if stand_in:
        slot.mkdir()
        (slot / "other").write_text("other\n")
        place = made
    assert isinstance(place, SlotPlace)
    assert f"had been moved to {tmp_path}/moved" in str(place.bring_back())
    assert place.bring_back() is None
    landing = place.land("landed\n")
    place.release()
    assert sh(root, f"git show {landing.commit}:work") == "work"
    kept = root / f".pitboss/grind/runs/{RUN}/nested/session-0001/slot-1/other"
    assert kept.exists() == stand_in


def test_a_session_that_never_got_its_slot_leaves_it_as_it_was(root: Path) -> None:
    alive = opened(root)
    first = session(root, 1, str(alive.reserve(1, in_slot=True).worktree))
    place = alive.at(first)
    place.prepare()
    (root / f".pitboss/grind/runs/{RUN}/worktrees/slot-1/a").write_text("two\n")
    landed = place.land("landed\n")
    place.release()
    commit = f"git -c user.name=t -c user.email=t@local commit-tree -p {BRANCH} main^{{tree}}"
    sh(root, f"git update-ref refs/heads/{BRANCH} $(echo later | {commit})")

    # The runner died before the slot was moved for the second session.
    second = session(root, 2, str(first.worktree))
    resumed = opened(root)
    place = resumed.at(second)
    assert place.rescue() == Landing()
    place.release()
    resumed.close()

    assert landed.commit is not None
    assert list_rescued(Repo.discover(root), RUN) == ()
    assert sh(root, "git worktree list").count("\n") == 0
    # The first session's branch, which would have gone with the next landing, is left to recovery.
    assert sh(root, "git branch --format='%(refname:short)'").split() == ["main", BRANCH, first.branch]


def test_slots_that_were_never_made_cost_no_git_when_the_run_ends(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sh(root, "git worktree add -q --detach ../elsewhere")
    calls, counting = root.parent / "calls", root.parent / "bin" / "git"
    counting.parent.mkdir()
    counting.write_text(f'#!/bin/sh\necho >>{calls}; exec {shutil.which("git")} "$@"\n')
    counting.chmod(0o755)
    monkeypatch.setenv("PATH", f"{counting.parent}{os.pathsep}{os.environ['PATH']}")
    places = opened(root)
    for seq in range(1, 51):
        places.at(session(root, seq, str(places.reserve(seq, in_slot=True).worktree)))
    before = len(calls.read_text())

    places.close()

    assert 0 < len(calls.read_text()) - before < 5
    assert sh(root, "git worktree list").count("\n") == 1
