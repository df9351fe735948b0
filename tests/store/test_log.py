"""The log: what counts as a record, what as a torn tail, and what as damage."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pitboss.core.recovery.facts import Damage, LogScan
from pitboss.core.session import SessionStatus
from pitboss.errors import StorageError
from pitboss.store import log as log_module
from pitboss.store.log import (
    LogScanner,
    count_lines,
    glance_back,
    iter_records,
    last_records,
    read_lines,
    scan_log,
)
from pitboss.store.log_repair import cut_torn_tail, set_aside_lines
from pitboss.store.paths import RunPaths
from pitboss.store.record_codec import encode_record
from tests.support.disk import NO_FILES, put
from tests.support.logs import GARBAGE, empty_run, lines
from tests.support.values import RUN_ID, record

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pitboss.core.session import SessionRecord


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return empty_run(tmp_path)


def seqs(records: Sequence[SessionRecord]) -> list[int]:
    return [r.seq for r in records]


def scan(run: RunPaths, content: bytes, *, after_seq: int = 0) -> LogScan:
    run.log.write_bytes(content)
    return scan_log(run.log, RUN_ID, after_seq=after_seq)


# --- scanning -----------------------------------------------------------------------------------------------


def test_a_missing_log_is_an_empty_log(run: RunPaths) -> None:
    assert scan_log(run.log, RUN_ID) == LogScan()
    assert list(iter_records(run.log)) == []
    assert count_lines(run.log) == 0
    assert last_records(run.log, 3) == []


def test_an_empty_log_holds_nothing(run: RunPaths) -> None:
    assert scan(run, b"") == LogScan()
    assert last_records(run.log, 3) == []


def test_a_whole_log_is_scanned_to_its_last_record(run: RunPaths) -> None:
    content = lines(1, 2, 3)
    assert scan(run, content) == LogScan(
        last_seq=3, highest_seq=3, tail=(record(1), record(2), record(3)), size=len(content)
    )


def test_only_records_past_the_checkpoint_are_kept(run: RunPaths) -> None:
    found = scan(run, lines(1, 2, 3, 4), after_seq=2)
    assert (found.last_seq, seqs(found.tail)) == (4, [3, 4])


def test_sessions_that_end_out_of_order_leave_a_gap_free_prefix_and_a_highest_seq(run: RunPaths) -> None:
    found = scan(run, lines(2, 1, 5, 4), after_seq=1)
    assert (found.last_seq, found.highest_seq, seqs(found.tail)) == (2, 5, [2, 5, 4])
    assert found.damage == ()


@pytest.mark.parametrize(
    ("status", "failed"),
    [
        (SessionStatus.OK, False),
        (SessionStatus.ABORTED, False),
        (SessionStatus.ERROR, True),
        (SessionStatus.TIMEOUT, True),
    ],
)
def test_a_failure_is_seen_even_before_the_checkpoint(
    run: RunPaths, status: SessionStatus, failed: bool
) -> None:
    content = encode_record(record(1, status=status)) + lines(2)
    assert scan(run, content, after_seq=2).any_failed is failed


@pytest.mark.parametrize(
    "tail",
    [
        GARBAGE,
        GARBAGE + b"\n",
        encode_record(record(3))[:-1],
        b"\0" * 4096,
        b"\n",
        b"\n  \n\n",
        b"   ",
        GARBAGE + b"\n\n\n",
    ],
    ids=["half", "half-line", "no-newline", "zeros", "blank", "blanks", "spaces", "half-then-blanks"],
)
def test_whatever_is_wrong_with_the_end_is_a_torn_tail(run: RunPaths, tail: bytes) -> None:
    found = scan(run, lines(1, 2) + tail)
    assert (found.torn_at, found.damage, found.last_seq) == (len(lines(1, 2)), (), 2)
    assert found.size == len(lines(1, 2) + tail)


def test_a_log_that_is_torn_from_its_first_byte_holds_nothing(run: RunPaths) -> None:
    assert scan(run, GARBAGE) == LogScan(torn_at=0, size=len(GARBAGE))


@pytest.mark.parametrize(
    ("content", "damage"),
    [
        (
            lines(1) + GARBAGE + b"\n" + lines(2),
            [Damage(line=2, detail="Input data was truncated (at $)")],
        ),
        (
            lines(1) + b"\n\n" + lines(2),
            [Damage(line=2, detail="Input data was truncated (at $)")],
        ),
        (
            lines(1, 2) + lines(1),
            [Damage(line=3, detail="session 1 already has a record")],
        ),
        (
            lines(1) + encode_record(record(2, run_id="other")) + lines(2),
            [Damage(line=2, detail="belongs to run other")],
        ),
    ],
    ids=["garbage", "blank", "repeated", "foreign"],
)
def test_damage_before_the_end_is_told_with_its_line(
    run: RunPaths, content: bytes, damage: list[Damage]
) -> None:
    found = scan(run, content)
    assert list(found.damage) == damage
    assert (found.torn_at, found.last_seq) == (None, 2)


def test_of_several_bad_lines_at_the_end_only_the_last_is_torn(run: RunPaths) -> None:
    found = scan(run, lines(1) + GARBAGE + b"\n\n" + GARBAGE)
    assert [d.line for d in found.damage] == [2, 3]
    assert found.torn_at == len(lines(1) + GARBAGE + b"\n\n")


def test_a_record_past_the_checkpoint_is_read_whole_and_one_before_it_by_its_head(run: RunPaths) -> None:
    headless = b'{"seq":1,"run_id":"rid","status":"ok"}\n'
    content = headless + lines(2)
    assert scan(run, content, after_seq=1).damage == ()
    assert [d.line for d in scan(run, content, after_seq=0).damage] == [1]


def test_the_list_of_damage_is_bounded(run: RunPaths) -> None:
    found = scan(run, b"x\n" * 5000 + lines(1))
    assert len(found.damage) == log_module.MOST_DAMAGE_LISTED


def test_a_log_that_cannot_be_read_is_a_storage_error(run: RunPaths) -> None:
    run.log.mkdir()
    for read in (lambda: scan_log(run.log, RUN_ID), lambda: list(iter_records(run.log))):
        with pytest.raises(StorageError, match=r"cannot read .*sessions.jsonl: Is a directory"):
            read()
    with pytest.raises(StorageError, match=r"cannot read .*sessions.jsonl: Is a directory"):
        last_records(run.log, 1)


def test_a_long_log_is_skimmed_as_it_would_be_read_line_by_line(run: RunPaths) -> None:
    many = [*range(1, 6000), 6001, 6000, 17, *range(6002, 9001)]
    content = (
        lines(*many[:7000]) + encode_record(record(9001, run_id="other")) + lines(*many[7000:]) + GARBAGE
    )
    assert len(content) > 2 * log_module.CHUNK
    skimmed = scan(run, content, after_seq=8990)
    scanner = LogScanner(RUN_ID, after_seq=8990)
    for line in read_lines(io.BytesIO(content)):
        scanner.take(line)
    assert skimmed == scanner.result()
    assert [d.line for d in skimmed.damage] == [6002, 7001]
    assert (skimmed.last_seq, seqs(skimmed.tail)) == (9000, list(range(8991, 9001)))
    assert skimmed.torn_at == len(content) - len(GARBAGE)


good_or_bad = st.sampled_from([*(lines(n) for n in range(1, 6)), GARBAGE, b"\n", b"x\n", b"\xff\n", b"{}\n"])


@given(st.lists(good_or_bad, max_size=10), st.integers(0, 5))
def test_what_remains_after_repair_is_whole_and_every_record_is_kept(
    tmp_path_factory: pytest.TempPathFactory, parts: list[bytes], after_seq: int
) -> None:
    run = RunPaths(tmp_path_factory.mktemp("repo"), RUN_ID)
    run.root.mkdir(parents=True)
    before = scan(run, b"".join(parts), after_seq=after_seq)
    if before.torn_at is not None:
        cut_torn_tail(run, before.torn_at)
    if before.damage:
        set_aside_lines(run, after_seq=after_seq)
    after = scan_log(run.log, RUN_ID, after_seq=after_seq)
    assert (after.torn_at, after.damage) == (None, ())
    assert (after.last_seq, after.highest_seq, after.tail) == (
        before.last_seq,
        before.highest_seq,
        before.tail,
    )


# --- lines --------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=5), max_size=6).map(b"\n".join))
def test_lines_cover_the_file_byte_for_byte(content: bytes) -> None:
    found = list(read_lines(io.BytesIO(content)))
    assert b"".join((line.data or b"") + b"\n" * line.whole for line in found) == content
    assert [line.number for line in found] == list(range(1, len(found) + 1))
    assert all(
        content[line.offset : line.offset + line.length].startswith(line.data or b"") for line in found
    )


@pytest.mark.parametrize("whole", [True, False])
def test_a_line_too_long_to_be_a_record_is_passed_over_in_bounded_memory(whole: bool) -> None:
    giant = b"x" * (3 * log_module.CHUNK)
    rest = b"\nlast\n" if whole else b""
    found = list(read_lines(io.BytesIO(b"one\n" + giant + rest), longest=log_module.CHUNK // 2))
    shape = [(line.number, line.offset, line.length, line.data, line.whole) for line in found]
    expected = [(1, 0, 4, b"one", True), (2, 4, len(giant) + whole, None, whole)]
    assert shape == expected + [(3, 5 + len(giant), 5, b"last", True)] * whole


def test_a_line_too_long_to_be_a_record_is_garbage() -> None:
    scanner = LogScanner(RUN_ID, after_seq=0)
    content = lines(1) + b"x" * (3 * log_module.CHUNK) + b"\n" + lines(2)
    for line in read_lines(io.BytesIO(content), longest=log_module.CHUNK // 2):
        scanner.take(line)
    found = scanner.result()
    assert [d.line for d in found.damage] == [2]
    assert (found.last_seq, found.size) == (2, len(content))


# --- lenient readers ----------------------------------------------------------------------------------------


def test_observers_skip_what_is_no_record_and_what_is_still_being_written(run: RunPaths) -> None:
    run.log.write_bytes(lines(1) + b"garbage\n\n" + lines(3, 2) + encode_record(record(4))[:-1])
    assert seqs(list(iter_records(run.log))) == [1, 3, 2]
    assert seqs(last_records(run.log, 2)) == [3, 2]
    assert seqs(last_records(run.log, 9)) == [1, 3, 2]
    assert last_records(run.log, 0) == []


def test_the_last_record_of_a_whole_log_is_the_last_one(run: RunPaths) -> None:
    run.log.write_bytes(lines(1, 2, 3))
    assert seqs(last_records(run.log, 1)) == [3]


def test_a_glance_back_is_of_the_last_lines_in_file_order_whatever_stands_between(run: RunPaths) -> None:
    run.log.write_bytes(lines(*range(1, 60)) + GARBAGE + b"\n" + lines(60) + b'{"seq": 61')
    assert [glance.seq for glance in glance_back(run.log, 50)] == [*range(12, 60), 60]
    assert [(g.prompt, str(g.status), g.summary) for g in glance_back(run.log, 1)] == [
        (r.prompt, str(r.status), r.summary) for r in (record(60),)
    ]


@pytest.mark.parametrize("kind", NO_FILES)
def test_what_an_agent_put_in_place_of_the_log_keeps_no_session_from_its_prompt(
    run: RunPaths, kind: str
) -> None:
    put(run.log, kind)
    assert glance_back(run.log, 50) == []


def test_a_run_without_a_log_has_no_sessions_to_glance_back_at(run: RunPaths) -> None:
    assert glance_back(run.log, 50) == []
