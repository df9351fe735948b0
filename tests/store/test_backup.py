"""The copy under git's folder: what it holds, what it gives back, and what it leaves to the user."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from pitboss.core.stops import RunStatus
from pitboss.errors import StartError
from pitboss.store.backup import KEPT_OF_GONE, Backup, kept_in_git, restore_lost
from pitboss.store.catalogue import find_run, latest_run, list_runs, readable_log
from pitboss.store.git_dir import lock_paths
from pitboss.store.lock import RunLock
from pitboss.store.paths import RunPaths, config_path, prompts_dir, runs_dir
from pitboss.store.record_codec import encode_record
from pitboss.store.rundir import RunDir
from tests.support.disk import names
from tests.support.values import record, run_state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    prompts_dir(tmp_path).mkdir(parents=True)
    (prompts_dir(tmp_path) / "a.md").write_text("a")
    config_path(tmp_path).write_text("c")
    return tmp_path


def ran(repo: Path, run_id: str, status: RunStatus = RunStatus.COMPLETED) -> None:
    with RunDir.create(repo, run_state(run_id=run_id, status=status), Backup(repo)) as run:
        run.record(record(1, run_id=run_id))


def test_what_was_wiped_at_rest_comes_back_whole(repo: Path) -> None:
    ran(repo, "one")
    ran(repo, "two")
    Backup(repo).keep()
    shutil.rmtree(repo / ".pitboss")
    assert [run.run_id for run in list_runs(repo)] == ["two", "one"]
    assert latest_run(repo) == "two"
    assert "brings it back" in str(find_run(repo, "on").problem)
    assert readable_log(repo, "one").read_bytes() == encode_record(record(1, run_id="one"))
    assert readable_log(repo, "one").parent == repo / ".git" / kept_in_git("one")
    assert len(restore_lost(repo)) == 4
    assert [(prompts_dir(repo) / "a.md").read_text(), config_path(repo).read_text()] == ["a", "c"]
    assert RunPaths(repo, "one").log.read_bytes() == encode_record(record(1, run_id="one"))
    assert restore_lost(repo) == []


def test_one_run_that_is_gone_comes_back_if_it_was_live_or_is_asked_for(repo: Path) -> None:
    for name in ("done", "stays"):
        ran(repo, name)
    ran(repo, "live", RunStatus.ACTIVE)
    for name in ("done", "live"):
        shutil.rmtree(runs_dir(repo) / name)
    assert Backup(repo).lost() == ("live",)
    assert ["live" in text for text in restore_lost(repo)] == [True]
    assert ["done" in text for text in restore_lost(repo, "do")] == [True]


def test_a_live_run_sees_to_it_itself(repo: Path) -> None:
    ran(repo, "one", RunStatus.ACTIVE)
    backup = Backup(repo)
    backup.keep()
    shutil.rmtree(repo / ".pitboss")
    with RunLock.acquire(*lock_paths(repo), run_id="one"):
        assert restore_lost(repo) == []
        assert len(backup.put_back()) == 3


def test_settings_follow_what_the_user_does_between_runs(repo: Path) -> None:
    Backup(repo).keep()
    (prompts_dir(repo) / "b.md").write_text("b")
    (prompts_dir(repo) / "a.md").unlink()
    (prompts_dir(repo) / "large.md").write_text("x" * (1024 * 1024 + 1))
    Backup(repo).keep()
    assert names(repo / ".git/pitboss/backup/prompts") == ["b.md"]
    (repo / ".git/pitboss/backup/prompts/odd").mkdir()
    Backup(repo).keep()


def test_copies_of_runs_of_other_versions_are_made_and_old_ones_of_gone_runs_removed(repo: Path) -> None:
    RunDir.create(repo, run_state(run_id="other")).close()
    gone = repo / ".git/pitboss/backup/runs"
    for number in range(KEPT_OF_GONE + 2):
        (gone / f"gone-{number:02}").mkdir(parents=True)
    Backup(repo).keep()
    Backup(repo).keep()
    kept = names(gone)
    assert (len(kept), kept[0], kept[-1]) == (KEPT_OF_GONE + 1, "gone-02", "other")
    assert restore_lost(repo, "gone-05") == []


def test_of_a_run_that_has_lost_its_state_the_records_are_kept(repo: Path) -> None:
    with RunDir.create(repo, run_state(run_id="one")) as run:
        run.record(record(1, run_id="one"))
    run.paths.state.unlink()
    Backup(repo).keep()
    assert names(repo / ".git/pitboss/backup/runs/one") == ["sessions.jsonl"]


def test_a_copy_that_cannot_be_read_is_none(repo: Path) -> None:
    ran(repo, "one", RunStatus.ACTIVE)
    path = Backup(repo).state_file("one")
    assert path is not None
    path.write_bytes(b"garbage")
    shutil.rmtree(runs_dir(repo) / "one")
    assert Backup(repo).state("one") is None
    path.unlink()
    assert Backup(repo).state("one") is None


@pytest.mark.parametrize("name", [".pitboss", ".pitboss/grind"])
def test_a_link_in_the_place_of_a_folder_of_runs_is_refused_and_left_alone(repo: Path, name: str) -> None:
    (repo / name).rename(repo / "moved")
    (repo / name).symlink_to(repo / "moved")
    with pytest.raises(StartError, match="is a symbolic link"):
        restore_lost(repo)
    assert (repo / name).is_symlink()


def test_outside_git_nothing_is_kept(tmp_path: Path) -> None:
    backup = Backup(tmp_path)
    backup.keep()
    backup.keep_state("one", b"x")
    assert (backup.lost(), backup.find("one"), backup.put_back(), backup.bring_back("one")) == (
        (),
        [],
        [],
        [],
    )
    assert (backup.state("one"), backup.restore_run("one"), backup.place) == (
        None,
        None,
        ".git/pitboss/backup",
    )
