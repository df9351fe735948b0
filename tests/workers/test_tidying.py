"""A worker's disk is tidied, and nothing that is only there is deleted (SPEC 14)."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing import rescue_refs
from pitboss.store.paths import RunPaths
from pitboss.workers.begun import BegunAttempt, BegunAttempts
from pitboss.workers.tidying import CLONE_IDLE_S, RUN_IDLE_S, local_folders, tidy_local, tidy_worker
from tests.support.cli import Project

if TYPE_CHECKING:
    from pathlib import Path

RUN = "20261126T113855Z-c205"


class Disk:
    """A worker's folder with one clone, in which one run has a working copy and work of session 3."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "repositories").mkdir(parents=True)
        (folder / "begun").mkdir()
        self.begun = BegunAttempts(folder / "begun")
        self.project = Project.create(folder / "repositories" / "shop-0123")
        self.clone = Repo.discover(self.project.root)
        self.paths = RunPaths(self.clone.root, RUN)
        self.paths.transcripts.mkdir(parents=True)
        self.slot = self.paths.worktrees / "slot-1"
        self.project.git("branch", f"pitboss/grind/{RUN}")
        branch = f"pitboss/grind/{RUN}-session-0003"
        self.project.git("worktree", "add", "-q", "-b", branch, str(self.slot))
        self.tip = self.clone.commit_tree("HEAD^{tree}", parent="HEAD", message="work")
        rescue_refs.keep(self.clone, RUN, 3, [self.tip], why="lost")

    def begin(self, seq: int, *, left: tuple[str, ...] | None = None, is_over: bool = False) -> None:
        self.begun.begin(BegunAttempt(run_id=RUN, seq=seq, attempt=1, left=left, is_over=is_over))

    def rescued(self) -> list[str]:
        return [kept.oid for kept in rescue_refs.list_rescued(self.clone)]


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "worker")


def test_working_copies_of_a_run_go_after_a_day_and_its_clone_after_a_month(disk: Disk) -> None:
    disk.begin(3, left=(disk.tip,), is_over=True)
    tidy_worker(disk.folder)
    assert disk.slot.exists()
    tidy_worker(disk.folder, time.time() + RUN_IDLE_S + 60)
    assert not disk.paths.root.exists()
    assert disk.rescued() == []
    assert disk.clone.root.exists()
    tidy_worker(disk.folder, time.time() + CLONE_IDLE_S + 60)
    assert not disk.clone.root.exists()


def test_a_slot_that_is_still_at_a_commit_that_went_home_keeps_no_clone(disk: Disk) -> None:
    head = disk.clone.commit_tree("HEAD^{tree}", parent="HEAD", message="landed at home")
    disk.project.git("-C", str(disk.slot), "reset", "-q", "--hard", head)
    disk.begin(3, left=(disk.tip, head), is_over=True)
    tidy_worker(disk.folder, time.time() + CLONE_IDLE_S + 60)
    assert not disk.clone.root.exists()


def test_the_notes_of_a_runs_attempts_go_with_it_and_none_begins_again(disk: Disk) -> None:
    disk.begin(3, left=(disk.tip,), is_over=True)
    tidy_worker(disk.folder)
    assert disk.begun.find(RUN, 3, 1) is not None
    tidy_worker(disk.folder, time.time() + RUN_IDLE_S + 60)
    assert (disk.rescued(), disk.begun.find(RUN, 3, 1)) == ([], None)
    assert not disk.begun.begin(BegunAttempt(run_id=RUN, seq=3, attempt=1))


def test_a_clone_whose_runs_have_gone_waits_its_month_from_then_on(disk: Disk) -> None:
    disk.begin(3, left=(disk.tip,), is_over=True)
    os.utime(disk.clone.root, (1, 1))
    tidy_worker(disk.folder, time.time() + RUN_IDLE_S + 60)
    assert not disk.paths.root.exists()
    tidy_worker(disk.folder, time.time() + 2 * RUN_IDLE_S)
    assert disk.clone.root.exists()


def test_work_that_waits_to_be_fetched_stays_with_all_that_is_there(disk: Disk) -> None:
    disk.begin(3, left=(disk.tip,))
    tidy_worker(disk.folder, time.time() + 10 * CLONE_IDLE_S)
    assert disk.rescued() == [disk.tip]
    assert disk.slot.exists()


def test_what_nobody_asked_for_is_rescued_before_its_working_copy_goes_and_the_clone_stays(
    disk: Disk,
) -> None:
    disk.begin(3, left=(disk.tip,), is_over=True)
    (disk.slot / "late.txt").write_text("written when the session was over\n")
    tidy_worker(disk.folder, time.time() + 10 * CLONE_IDLE_S)
    assert not disk.slot.exists()
    (left,) = disk.rescued()
    assert "late.txt" in disk.project.git("ls-tree", "--name-only", left)


def test_what_was_rescued_in_a_slot_once_its_session_was_over_stays_with_the_clone(disk: Disk) -> None:
    disk.begin(3, left=(disk.tip,), is_over=True)
    late = disk.clone.commit_tree("HEAD^{tree}", parent="HEAD", message="late")
    rescue_refs.keep(disk.clone, RUN, 3, [late], why="left over")
    tidy_worker(disk.folder, time.time() + 10 * CLONE_IDLE_S)
    assert not disk.paths.root.exists()
    assert disk.rescued() == [late]


@pytest.mark.parametrize("kind", ["set_aside", "nested"])
def test_files_that_are_in_no_commit_stay_with_the_clone(disk: Disk, kind: str) -> None:
    disk.begin(3, left=(disk.tip,), is_over=True)
    file = getattr(disk.paths, kind)(3) / "model.bin"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"too large for git")
    tidy_worker(disk.folder, time.time() + 10 * CLONE_IDLE_S)
    assert (file.exists(), disk.slot.exists()) == (True, False)
    tidy_local([disk.folder], disk.clone)
    assert file.exists()


def test_a_runs_own_workers_leave_nothing_but_work_that_is_not_at_home(disk: Disk, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "workers").mkdir()
    disk.folder.rename(run / "workers" / "local-1")
    home = Project.create(tmp_path / "home")
    (folder,) = local_folders(run)
    tidy_local([folder], Repo.discover(home.root))
    assert folder.exists()
    home.git(
        "fetch",
        "-q",
        str(folder / "repositories" / "shop-0123"),
        "refs/pitboss/rescue/*:refs/pitboss/rescue/*",
    )
    tidy_local([folder], Repo.discover(home.root))
    assert not folder.exists()
