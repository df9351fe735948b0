"""What a worker does with work that its git refuses to keep, and how long it waits when it leaves (SPEC 14)."""

from __future__ import annotations

import errno
import os
import time
from datetime import UTC, datetime
from threading import Event, Thread
from typing import TYPE_CHECKING

import pytest
from msgspec.structs import replace

from pitboss.core.config import Config
from pitboss.core.session import Assignment
from pitboss.errors import FREE_SPACE, StartError, StorageError
from pitboss.git.errors import GitError, NotARepository
from pitboss.landing.git_trouble import GitFailed
from pitboss.workers.begun import BegunAttempt, BegunAttempts
from pitboss.workers.messages import Begin, encoded
from pitboss.workers.worker_desk import WorkerDesk, join_by, may_pass

if TYPE_CHECKING:
    from pathlib import Path

SESSIONS = 40
LIMIT_S = 0.5


def test_sessions_that_do_not_end_are_waited_for_together() -> None:
    ends = Event()
    threads = [Thread(target=ends.wait, daemon=True) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    join_by(began + LIMIT_S, threads)
    assert all(thread.is_alive() for thread in threads)
    assert LIMIT_S <= time.monotonic() - began < SESSIONS * LIMIT_S / 2
    ends.set()
    join_by(time.monotonic() + 60.0, threads)
    assert not any(thread.is_alive() for thread in threads)


def begun(folder: Path, seq: int, aside: Path | None = None) -> None:
    """Have it noted that an attempt was begun, and where its clone is to go, if it is to go anywhere."""
    session = Assignment(
        seq=seq,
        prompt="alpha",
        rotation=1,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        base_commit="1" * 40,
        worktree=f"worktrees/slot-{seq}",
        branch=f"session-000{seq}",
        agent="shell",
    )
    begin = Begin(
        run_id="20260101T000000Z-abcd",
        attempt=1,
        assignment=session,
        repository="shop-0123",
        object_format="sha1",
        config=Config(),
        lost_after_s=60.0,
    )
    note = BegunAttempt(run_id=begin.run_id, seq=seq, attempt=1, asked=encoded(begin))
    (folder / "begun").mkdir(parents=True, exist_ok=True)
    notes = BegunAttempts(folder / "begun")
    assert notes.begin(note)
    if aside is not None:
        notes.update(replace(note, left=(), aside=str(aside)))


def test_a_clone_that_a_killed_worker_was_about_to_put_aside_is_put_there_by_the_next(tmp_path: Path) -> None:
    clone, aside = tmp_path / "repositories/shop-0123", tmp_path / "damaged/shop-0123-1"
    clone.mkdir(parents=True)
    (clone / "work.txt").write_text("only here\n")
    begun(tmp_path, 1, aside)
    begun(tmp_path, 2, aside)
    for _ in range(2):
        desk = WorkerDesk(tmp_path, dict(os.environ))
        desk.settle()
        assert (aside / "work.txt").read_text() == "only here\n"
        assert not clone.exists()
        assert (desk.unkept, desk.remains) == (False, {"20260101T000000Z-abcd": [(1, 1), (2, 1)]})


def test_what_another_version_noted_waits_for_it_and_keeps_nobody_from_working(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "repositories/shop-0123").mkdir(parents=True)
    begun(tmp_path, 1, tmp_path / "damaged/shop-0123-1")
    asked = b'{"type":"Begin","run_id":"20260101T000000Z-abcd","of_another_version":true}'
    notes = BegunAttempts(tmp_path / "begun")
    other = BegunAttempt(run_id="20260101T000000Z-abcd", seq=2, attempt=1, asked=asked, left=("1" * 40,))
    assert notes.begin(other)
    desk = WorkerDesk(tmp_path, dict(os.environ))
    desk.settle()
    assert (
        "what session 2 of 20260101T000000Z-abcd did stays here: another version" in capsys.readouterr().err
    )
    assert (desk.unkept, desk.remains) == (False, {"20260101T000000Z-abcd": [(1, 1)]})
    assert notes.find("20260101T000000Z-abcd", 2, 1) == other


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (GitError(("git", "status"), "fatal: unexpected line in packed-refs", code=128), False),
        (GitError(("git", "add"), "fatal: write error: No space left on device", code=128), True),
        (GitError(("git", "add"), "fatal: Unable to create '/x/index.lock': File exists.", code=128), True),
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (PermissionError("not permitted"), False),
        (StartError("a live git holds a lock"), True),
        (NotARepository("no repository"), False),
        (StorageError("the disk is full", hint=FREE_SPACE), True),
    ],
)
def test_what_time_may_mend_never_has_a_clone_given_up(error: Exception, passes: bool) -> None:
    failed = GitFailed(str(error))
    failed.__cause__ = error
    assert (may_pass(error), may_pass(failed)) == (passes, passes)
