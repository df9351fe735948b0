"""What is asked about a run to say what needs a person: from a watch, or from the few records that matter."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pitboss.core.condition import Condition
from pitboss.core.needs import InGit, needs
from pitboss.core.session import SessionStatus
from pitboss.errors import StorageError
from pitboss.store.run_watch import RunWatch
from pitboss.store.rundir import RunDir
from pitboss.store.situation import records_that_may_need, situation
from tests.support.values import RUN_ID, fresh_run, record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NEEDY = (
    record(2, status=SessionStatus.ERROR, commit=None, rescue=("refs/r/rid/session-0002",)),
    record(3, retry_of=2),
    record(4, status=SessionStatus.ERROR, commit=None, reason="verify_failed: test_a"),
    record(5, status=SessionStatus.ABORTED, commit=None, queued="t1"),
    record(6, status=SessionStatus.ABORTED, commit=None, host="anna", reason="interrupted: worker anna lost"),
)


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunDir]:
    with RunDir.create(tmp_path, fresh_run()) as directory:
        for line in (record(1, summary='"rescue"'), *NEEDY):
            directory.record(line)
        yield directory


def test_only_records_that_may_need_somebody_are_read(run: RunDir, tmp_path: Path) -> None:
    with run.paths.log.open("ab") as file:
        file.write(b'garbage "rescue"\n{"rescue": torn')
    assert records_that_may_need(tmp_path, RUN_ID) == NEEDY
    run.paths.log.unlink()
    assert records_that_may_need(tmp_path, RUN_ID) == ()
    run.paths.log.mkdir()
    with pytest.raises(StorageError):
        records_that_may_need(tmp_path, RUN_ID)


def test_a_watch_and_a_short_look_need_the_same(run: RunDir, tmp_path: Path) -> None:
    seen = RunWatch(tmp_path, RUN_ID).look()
    watched = situation(tmp_path, seen, InGit())
    assert watched == situation(tmp_path, seen, InGit(), records=records_that_may_need(tmp_path, RUN_ID))
    run.paths.queued.mkdir()
    for name in ("t1.md", "t2.md.again"):
        (run.paths.queued / name).touch()
    tasks = situation(tmp_path, seen, InGit()).tasks
    assert (watched.condition, watched.tasks, tasks) == (
        Condition.CRASHED,
        {},
        {"t1": str(run.paths.queued / "t1.md")},
    )
    over = situation(tmp_path, seen, InGit(), condition=Condition.COMPLETED)
    assert [need.seq for need in needs(over)] == [4, 6, 5]


def test_whose_output_of_tests_is_kept(run: RunDir, tmp_path: Path) -> None:
    seen = RunWatch(tmp_path, RUN_ID).look()
    assert situation(tmp_path, seen, InGit()).untold == {4}
    run.paths.transcript(4, "verify").write_text("test_a failed")
    assert situation(tmp_path, seen, InGit()).untold == frozenset()


def test_a_disk_without_room_is_seen(run: RunDir, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, real = RunWatch(tmp_path, RUN_ID).look(), os.statvfs(tmp_path)
    assert not situation(tmp_path, seen, InGit()).disk_full
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result((*real[:4], 3, *real[5:])))
    assert situation(tmp_path, seen, InGit()).disk_full
    monkeypatch.undo()
    assert not situation(tmp_path / "gone", seen, InGit()).disk_full
