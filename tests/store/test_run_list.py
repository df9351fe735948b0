"""All runs, as a screen lists them again and again."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from pitboss.core.condition import Condition
from pitboss.core.stops import RunStatus
from pitboss.store.lock import RunLock
from pitboss.store.opening import remove_tree
from pitboss.store.paths import RunPaths, lock_path, runs_dir
from pitboss.store.run_list import RunList
from pitboss.store.rundir import RunDir
from tests.support.values import STARTED, fresh_run

if TYPE_CHECKING:
    from pathlib import Path


def at_rest(repo: Path, run_id: str, hour: int, **changes: Any) -> None:
    fields = {
        "run_id": run_id,
        "last_updated_at": STARTED + timedelta(hours=hour),
        "status": RunStatus.COMPLETED,
    }
    with RunDir.create(repo, fresh_run(**(fields | changes))):
        pass


def test_runs_come_last_updated_first_and_again_only_if_something_changed(tmp_path: Path) -> None:
    assert RunList(tmp_path).look().runs == ()
    at_rest(tmp_path, "one", 1)
    at_rest(tmp_path, "two", 2)
    listed = RunList(tmp_path)
    seen = listed.look()
    assert ([run.run_id for run in seen.runs], seen.live) == (["two", "one"], None)
    assert [seen.condition_of(run) for run in seen.runs] == [Condition.COMPLETED, Condition.COMPLETED]
    assert listed.look() is seen

    at_rest(tmp_path, "three", 3, status=RunStatus.ACTIVE)
    with RunLock.acquire(lock_path(tmp_path), run_id="three"):
        seen = listed.look()
        assert (seen.live, seen.condition_of(seen.runs[0])) == ("three", Condition.LIVE)
        assert seen.runs[2] is listed.look().runs[2], "read once"
    assert listed.look().condition_of(seen.runs[0]) is Condition.CRASHED

    with RunDir(RunPaths(tmp_path, "one")) as rundir:
        rundir.checkpoint(fresh_run(run_id="one", last_updated_at=STARTED + timedelta(hours=4)))
    assert [run.run_id for run in listed.look().runs] == ["one", "three", "two"]
    remove_tree(runs_dir(tmp_path) / "two")
    assert [run.run_id for run in listed.look().runs] == ["one", "three"]


def test_a_state_that_cannot_be_read_is_looked_at_again_when_it_changes(tmp_path: Path) -> None:
    at_rest(tmp_path, "one", 1)
    path = RunPaths(tmp_path, "one").state
    path.write_bytes(b"{")
    listed = RunList(tmp_path)
    (run,) = listed.look().runs
    assert (run.state, (run.problem or "").startswith("parsing ")) == (None, True)
    path.unlink()
    path.mkdir()
    assert "Is a directory" in (listed.look().runs[0].problem or "")
    path.rmdir()
    assert "No such file" in (listed.look().runs[0].problem or "")
    (runs_dir(tmp_path) / "one").rename(tmp_path / "elsewhere")
    (runs_dir(tmp_path) / "one").symlink_to(tmp_path / "elsewhere")
    assert listed.look().runs == ()
