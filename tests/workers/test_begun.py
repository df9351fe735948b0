"""The attempts that a worker began: none is begun twice, whatever is killed (SPEC 14)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from msgspec.structs import replace

from pitboss.workers.begun import BegunAttempt, BegunAttempts

if TYPE_CHECKING:
    from pathlib import Path

ONE = BegunAttempt(run_id="20261126T113855Z-c205", seq=1, attempt=1, asked=b"anything \x00 at all")


def test_an_attempt_is_begun_once_also_by_a_later_process(tmp_path: Path) -> None:
    assert BegunAttempts(tmp_path).begin(ONE)
    again = BegunAttempts(tmp_path)
    assert not again.begin(ONE)
    assert again.begin(replace(ONE, attempt=2))
    again.update(replace(ONE, asked=b"", is_over=True))
    assert not again.begin(ONE)


def test_what_is_not_over_is_found_again_with_what_it_was_asked(tmp_path: Path) -> None:
    begun = BegunAttempts(tmp_path)
    left, over = replace(ONE, seq=2), replace(ONE, seq=3)
    for attempt in (ONE, left, over):
        begun.begin(attempt)
    begun.update(replace(left, left=("a" * 40,)))
    begun.update(replace(over, is_over=True))
    assert list(begun.unfinished()) == [ONE, replace(left, left=("a" * 40,))]
    assert begun.find(ONE.run_id, 3, 1) == replace(over, is_over=True)
    assert begun.find(ONE.run_id, 4, 1) is None


def test_a_file_that_makes_no_sense_still_says_that_the_attempt_was_begun(tmp_path: Path) -> None:
    (tmp_path / ONE.file).write_bytes(b"{")
    (tmp_path / "notes.txt").write_bytes(b"")
    begun = BegunAttempts(tmp_path)
    assert (begun.begin(ONE), list(begun.unfinished())) == (False, [])


def test_of_a_quiet_run_one_file_is_left_and_none_of_its_attempts_begins_again(tmp_path: Path) -> None:
    begun = BegunAttempts(tmp_path)
    for seq in (1, 4, 12):
        begun.begin(replace(ONE, seq=seq, is_over=True))
    begun.fold(time.time() + 60)
    (left,) = tmp_path.iterdir()
    assert left.name == f"{ONE.run_id}.threshold"
    begun = BegunAttempts(tmp_path)
    assert [seq for seq in range(1, 15) if begun.begin(replace(ONE, seq=seq))] == [13, 14]
    assert begun.begin(replace(ONE, run_id="20261127T113855Z-c205"))
    assert begun.find(ONE.run_id, 4, 1) is None


def test_notes_stay_while_something_is_left_of_their_run_or_one_of_them_is_new(tmp_path: Path) -> None:
    begun = BegunAttempts(tmp_path)
    begun.begin(replace(ONE, is_over=True))
    begun.fold(time.time() - 60)
    assert begun.find(ONE.run_id, 1, 1) == replace(ONE, is_over=True)
    begun.begin(replace(ONE, seq=2, left=("a" * 40,)))
    begun.fold(time.time() + 60)
    assert [begun.find(ONE.run_id, seq, 1) is not None for seq in (1, 2)] == [True, True]


def test_what_a_run_is_folded_into_only_ever_rises(tmp_path: Path) -> None:
    begun = BegunAttempts(tmp_path)
    for seq in (7, 9):
        assert begun.begin(replace(ONE, seq=seq, is_over=True))
        begun.fold(time.time() + 60)
    assert not begun.begin(replace(ONE, seq=9))
    (tmp_path / f"{ONE.run_id}.threshold").write_bytes(b"{")
    assert not begun.begin(replace(ONE, seq=10))
