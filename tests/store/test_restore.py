"""What a run lost is brought back from the copy in git's folder, where that knows more (SPEC 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.store.backup import Backup
from pitboss.store.paths import RunPaths
from pitboss.store.restore import bring_back, find_lost
from pitboss.store.rundir import RunDir
from tests.support.values import RUN_ID, fresh_run, record

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    """A run of three records, and its copy."""
    (tmp_path / ".git").mkdir()
    with RunDir.create(tmp_path, fresh_run(), Backup(tmp_path)) as rundir:
        for seq in (1, 2, 3):
            rundir.record(record(seq))
    return RunPaths(tmp_path, RUN_ID)


def lost(run: RunPaths, *, force: bool = False) -> list[str]:
    return [found.path.name for found in find_lost(run, Backup(run.root.parents[3]), force=force)]


def lines(run: RunPaths) -> list[bytes]:
    return run.log.read_bytes().splitlines(keepends=True)


def test_a_whole_run_has_lost_nothing(run: RunPaths) -> None:
    assert lost(run) == lost(run, force=True) == []


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_a_log_that_was_cut_is_brought_back_and_kept(run: RunPaths, kept: int) -> None:
    whole, cut = run.log.read_bytes(), b"".join(lines(run)[:kept])
    run.log.write_bytes(cut)
    (told,) = bring_back(find_lost(run, Backup(run.root.parents[3]), force=False))
    assert "sessions.jsonl was lost or damaged and has been restored from" in told
    assert "what was there is kept as sessions.jsonl.damaged-1" in told
    assert run.log.read_bytes() == whole
    assert run.log.with_name("sessions.jsonl.damaged-1").read_bytes() == cut


def test_what_is_missing_is_brought_back(run: RunPaths) -> None:
    whole = run.log.read_bytes(), run.state.read_bytes()
    run.log.unlink()
    run.state.unlink()
    found = find_lost(run, Backup(run.root.parents[3]), force=False)
    assert found[0].describe().startswith("restore state.json from /")
    assert all("kept" not in told for told in bring_back(found))
    assert (run.log.read_bytes(), run.state.read_bytes()) == whole


def test_damaged_lines_are_a_persons_to_settle(run: RunPaths) -> None:
    run.log.write_bytes(lines(run)[0] + b"garbage\n" + lines(run)[2])
    assert lost(run) == []
    assert lost(run, force=True) == ["sessions.jsonl"]


def test_a_log_that_knows_more_than_its_copy_stays(run: RunPaths) -> None:
    copy = Backup(run.root.parents[3]).log(RUN_ID)
    assert copy is not None
    copy.write_bytes(lines(run)[0])
    assert lost(run) == []
    copy.write_bytes(copy.read_bytes() + b"{")
    run.log.unlink()
    assert lost(run) == []


def test_a_copy_of_another_run_is_none(run: RunPaths) -> None:
    backup = Backup(run.root.parents[3])
    run.state.write_text("{")
    assert lost(run) == ["state.json"]
    backup.keep_state(RUN_ID, b'{"run_id": 7}')
    assert lost(run) == []


def test_without_a_folder_of_gits_nothing_is_brought_back(tmp_path: Path) -> None:
    paths = RunPaths(tmp_path, RUN_ID)
    assert find_lost(paths, Backup(tmp_path), force=True) == []
