"""Observers: what they see of a run, live or not, and how they follow it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pitboss.core.recovery.refusals import RunNotFound
from pitboss.errors import StorageError
from pitboss.store.catalogue import live_holder
from pitboss.store.follow import EventFollower, LogFollower, follow, snapshot
from pitboss.store.lock import RunLock
from pitboss.store.paths import lock_path
from pitboss.store.record_codec import encode_record
from pitboss.store.run_watch import RunWatch
from tests.support.disk import NO_FILES, put
from tests.support.values import RUN_ID, flying, fresh_run, record

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.store.rundir import RunDir


def new_seqs(follower: LogFollower) -> list[int]:
    return [r.seq for r in follower.new_records()]


# --- snapshots ----------------------------------------------------------------------------------------------


def test_a_snapshot_shows_state_last_sessions_and_who_holds_the_lock(run: RunDir, tmp_path: Path) -> None:
    for seq in range(1, 5):
        run.record(record(seq))
    with RunLock.acquire(lock_path(tmp_path), run_id=RUN_ID) as lock:
        seen = snapshot(tmp_path, "ri", last=2)
        assert (seen.run_id, seen.state, seen.problem, seen.live) == (RUN_ID, fresh_run(), None, lock.info)
        assert seen.records == (record(3), record(4))
    assert snapshot(tmp_path, RUN_ID).live is None


def test_a_session_that_has_its_record_is_in_flight_no_more_though_an_earlier_one_still_runs(
    run: RunDir, tmp_path: Path
) -> None:
    for seq in range(1, 81):
        run.record(record(seq))
    run.checkpoint(fresh_run(last_session_seq=80, in_flight=tuple(flying(n) for n in range(81, 84))))
    run.record(record(82))
    seen = snapshot(tmp_path, RUN_ID, last=2)
    assert [session.seq for session in seen.in_flight] == [81, 83]
    assert seen.records == (record(80), record(82))
    assert snapshot(tmp_path, RUN_ID, last=0).records == ()
    assert len(snapshot(tmp_path, RUN_ID, last=75).records) == 75


def test_a_long_log_with_a_lost_line_is_damaged_also_before_what_a_snapshot_shows(
    run: RunDir, tmp_path: Path
) -> None:
    for seq in range(1, 101):
        run.record(record(seq))
    run.checkpoint(fresh_run(last_session_seq=100))
    assert snapshot(tmp_path, RUN_ID).problem is None
    lines = run.paths.log.read_bytes().splitlines(keepends=True)
    for lost, left in ((7, lines[:6] + lines[7:]), (100, lines[:99])):
        run.paths.log.write_bytes(b"".join(left))
        damage = f"sessions.jsonl is damaged: it has no record of session {lost}"
        assert snapshot(tmp_path, RUN_ID).problem == damage
        assert RunWatch(tmp_path, RUN_ID).look().problem == damage
    with RunLock.acquire(lock_path(tmp_path), run_id=RUN_ID):
        assert snapshot(tmp_path, RUN_ID).problem is None
    run.paths.log.write_bytes(b"".join([*lines[:6], b"{}\n", *lines[7:]]))
    assert snapshot(tmp_path, RUN_ID, last=sys.maxsize).problem


def test_as_many_sessions_as_a_run_has_slots_may_be_recorded_after_one_that_began_later(
    run: RunDir, tmp_path: Path
) -> None:
    """Session 66 ended first, then those before it one after the other, all but one."""
    run.record(record(66))
    for seq in range(1, 65):
        run.record(record(seq))
    run.checkpoint(fresh_run(last_session_seq=64, in_flight=(flying(65), flying(66))))
    assert [session.seq for session in snapshot(tmp_path, RUN_ID).in_flight] == [65]


def test_a_run_is_not_live_while_another_one_holds_the_lock(run: RunDir, tmp_path: Path) -> None:
    with RunLock.acquire(lock_path(tmp_path), run_id="other"):
        assert live_holder(tmp_path, RUN_ID) is None


def test_a_snapshot_of_an_unreadable_run_says_what_is_wrong(run: RunDir, tmp_path: Path) -> None:
    run.paths.state.write_bytes(b"")
    seen = snapshot(tmp_path, RUN_ID)
    assert seen.state is None
    assert seen.problem == f"parsing {run.paths.state}: Input data was truncated (at $)"


def test_a_snapshot_of_a_live_run_adds_what_its_events_say_if_they_can_be_read(
    run: RunDir, tmp_path: Path
) -> None:
    run.checkpoint(fresh_run(in_flight=(flying(1),)))
    run.paths.events.write_bytes(b'garbage\n{"kind":"step","seq":1,"what":"text","text":"reads"}\n')
    with RunLock.acquire(lock_path(tmp_path), run_id=RUN_ID):
        assert [flight.step for flight in snapshot(tmp_path, RUN_ID).view.in_flight] == ["reads"]
        run.paths.events.unlink()
        assert [flight.step for flight in snapshot(tmp_path, RUN_ID).view.in_flight] == [""]


def test_a_snapshot_of_no_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunNotFound):
        snapshot(tmp_path, RUN_ID)


# --- following ----------------------------------------------------------------------------------------------


def test_following_yields_what_is_there_and_what_comes_until_the_run_ends(run: RunDir) -> None:
    run.record(record(1))
    due = [2, 3]

    def ended() -> bool:
        if due:
            run.record(record(due.pop(0)))
            return False
        run.record(record(4))
        return True

    assert list(follow(LogFollower(run.paths.log).new_records, ended=ended, poll_s=0)) == [
        record(n) for n in (1, 2, 3, 4)
    ]


def test_following_from_the_end_leaves_out_what_is_there(run: RunDir) -> None:
    run.record(record(1))

    def ended() -> bool:
        run.record(record(2))
        return True

    assert list(follow(LogFollower(run.paths.log, from_start=False).new_records, ended=ended)) == [record(2)]


def test_an_unfinished_line_is_waited_for_and_garbage_is_passed_over(run: RunDir) -> None:
    follower = LogFollower(run.paths.log)
    line = encode_record(record(1))
    run.paths.log.write_bytes(line[:50])
    assert new_seqs(follower) == []
    run.paths.log.write_bytes(line + b"garbage\n" + encode_record(record(2)) + b"half")
    assert new_seqs(follower) == [1, 2]
    assert new_seqs(follower) == []


def test_a_log_that_was_cut_is_followed_from_its_new_end(run: RunDir) -> None:
    follower = LogFollower(run.paths.log)
    line = encode_record(record(1))
    run.paths.log.write_bytes(line + b"garbage\n")
    assert new_seqs(follower) == [1]
    run.paths.log.write_bytes(line)
    assert new_seqs(follower) == []
    run.paths.log.write_bytes(line + encode_record(record(2)))
    assert new_seqs(follower) == [2]


def test_a_log_that_is_not_there_yet_has_no_records(run: RunDir) -> None:
    run.paths.log.unlink()
    follower = LogFollower(run.paths.log, from_start=False)
    assert new_seqs(follower) == []
    run.record(record(1))
    assert new_seqs(follower) == [1]


def test_a_log_that_cannot_be_read_is_a_storage_error(run: RunDir) -> None:
    run.paths.log.unlink()
    run.paths.log.mkdir()
    with pytest.raises(StorageError, match="Is a directory"):
        new_seqs(LogFollower(run.paths.log))


def test_a_line_that_does_not_end_is_passed_over_in_little_memory(
    run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pitboss.store.follow.LONGEST_LINE", 2000)
    monkeypatch.setattr("pitboss.store.follow.CHUNK", 1000)
    follower = LogFollower(run.paths.log)
    line = encode_record(record(1))
    run.paths.log.write_bytes(line + b"x" * 10_000)
    assert new_seqs(follower) == [1]
    run.paths.log.write_bytes(line + b"x" * 10_000 + b"\n" + encode_record(record(2)))
    assert new_seqs(follower) == [2]
    assert new_seqs(follower) == []


# --- events -------------------------------------------------------------------------------------------------


def lines_of(run: RunDir, *writes: bytes) -> list[bytes]:
    """The lines that a follower of events.jsonl sees if these are its contents, one after the other."""
    due = list(writes)

    def ended() -> bool:
        if due:
            run.paths.events.write_bytes(due.pop(0))
        return not due

    return list(follow(EventFollower(run.paths).new_lines, ended=ended, poll_s=0))


def test_events_are_followed_from_before_there_are_any_until_the_run_ends(run: RunDir) -> None:
    looks = iter([False, False, True])

    def ended() -> bool:
        over = next(looks)
        if over:
            run.paths.events.write_bytes(b'{"n":1}\n')
        return over

    assert list(follow(EventFollower(run.paths).new_lines, ended=ended, poll_s=0)) == [b'{"n":1}\n']


def test_an_unfinished_event_is_waited_for_and_what_is_none_is_passed_over(run: RunDir) -> None:
    first, second = b'{"n":1}\n', b'{"n":2}\n'
    seen = lines_of(
        run, first[:3], first + b"\x00garbage\n\n" + second[:1], first + b"\x00garbage\n\n" + second
    )
    assert seen == [first, second]


def test_events_that_were_cut_are_followed_from_their_new_end(run: RunDir) -> None:
    first, second, third = b'{"n":1}\n', b'{"n":2}\n', b'{"n":3}\n'
    assert lines_of(run, first + second, first, first + third) == [first, second, third]


@pytest.mark.parametrize("kind", NO_FILES)
def test_events_that_cannot_be_read_are_a_storage_error(run: RunDir, kind: str) -> None:
    put(run.paths.events, kind)
    with pytest.raises(StorageError, match=r"cannot read .*events.jsonl"):
        lines_of(run)
