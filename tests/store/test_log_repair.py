"""Repairs of a log: what is taken out of it is kept beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.errors import RunDirectoryGone
from pitboss.store.log_repair import cut_torn_tail, set_aside, set_aside_lines
from pitboss.store.record_codec import encode_record
from tests.support.disk import names
from tests.support.logs import GARBAGE, empty_run, lines
from tests.support.values import record

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.store.paths import RunPaths


@pytest.fixture
def run(tmp_path: Path) -> RunPaths:
    return empty_run(tmp_path)


def test_a_torn_tail_is_kept_beside_the_log_and_cut_off(run: RunPaths) -> None:
    run.log.write_bytes(lines(1) + GARBAGE)
    aside = cut_torn_tail(run, len(lines(1)))
    assert aside == run.root / "sessions.jsonl.torn-1"
    assert (aside.read_bytes(), run.log.read_bytes()) == (GARBAGE, lines(1))


def test_a_cut_that_was_interrupted_after_its_copy_uses_that_copy(run: RunPaths) -> None:
    run.log.write_bytes(lines(1) + GARBAGE)
    (run.root / "sessions.jsonl.torn-1").write_bytes(b"another tail")
    (run.root / "sessions.jsonl.torn-2").write_bytes(GARBAGE)
    aside = cut_torn_tail(run, len(lines(1)))
    assert aside == run.root / "sessions.jsonl.torn-2"
    assert run.log.read_bytes() == lines(1)
    assert names(run.root) == [
        "sessions.jsonl",
        "sessions.jsonl.torn-1",
        "sessions.jsonl.torn-2",
    ]


def test_a_second_torn_tail_gets_a_name_of_its_own(run: RunPaths) -> None:
    for number, tail in enumerate((b"a", b"b", b"bb"), start=1):
        run.log.write_bytes(lines(1) + tail)
        assert cut_torn_tail(run, len(lines(1))).name == f"sessions.jsonl.torn-{number}"


def test_a_cut_never_makes_the_log_longer(run: RunPaths) -> None:
    run.log.write_bytes(lines(1))
    with pytest.raises(ValueError, match="inside the log"):
        cut_torn_tail(run, len(lines(1)) + 1)
    assert run.log.read_bytes() == lines(1)


def test_damaged_lines_are_dropped_and_the_original_is_kept_whole(run: RunPaths) -> None:
    content = lines(1) + b"garbage\n" + lines(2, 1) + encode_record(record(3, run_id="other")) + GARBAGE
    run.log.write_bytes(content)
    (run.root / "sessions.jsonl.damaged-1").write_bytes(b"an earlier one")
    aside = set_aside_lines(run)
    assert aside == run.root / "sessions.jsonl.damaged-2"
    assert (aside.read_bytes(), run.log.read_bytes()) == (content, lines(1, 2))


def test_a_damaged_file_is_set_aside_under_a_free_name(run: RunPaths) -> None:
    for number in (1, 2):
        run.state.write_bytes(b"{broken")
        aside = set_aside(run.state)
        assert aside == run.root / f"state.json.damaged-{number}"
        assert (run.state.read_bytes(), aside.read_bytes()) == (b"{broken", b"{broken")


def test_what_is_no_file_is_moved_out_of_the_way(run: RunPaths) -> None:
    run.state.mkdir()
    aside = set_aside(run.state)
    assert (run.state.exists(), aside.is_dir()) == (False, True)


def test_repairing_a_log_that_is_gone_is_an_error_that_says_so(run: RunPaths) -> None:
    with pytest.raises(RunDirectoryGone, match="No such file or directory"):
        cut_torn_tail(run, 0)
    with pytest.raises(RunDirectoryGone, match="No such file or directory"):
        set_aside_lines(run)
    with pytest.raises(RunDirectoryGone, match="No such file or directory"):
        set_aside(run.state)
