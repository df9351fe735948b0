"""Marks of a review on disk: durable at once, never lost to nonsense or to a second review (SPEC 11)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from pitboss.core.review import Mark
from pitboss.errors import CommandError, StorageError
from pitboss.store.paths import RunPaths
from pitboss.store.review import left_out, read_marks, set_mark

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def paths(tmp_path: Path) -> RunPaths:
    found = RunPaths(tmp_path, "rid")
    found.root.mkdir(parents=True)
    return found


def test_marks_are_set_changed_and_cleared(paths: RunPaths) -> None:
    assert read_marks(paths) == {}
    set_mark(paths, 3, Mark.LEAVE)
    set_mark(paths, 12, Mark.ACCEPT)
    assert read_marks(paths) == {3: Mark.LEAVE, 12: Mark.ACCEPT}
    assert left_out(paths) == {3}
    assert set_mark(paths, 3, Mark.ACCEPT) == {3: Mark.ACCEPT, 12: Mark.ACCEPT}
    assert set_mark(paths, 3, None) == read_marks(paths) == {12: Mark.ACCEPT}
    assert set_mark(paths, 4, None) == {12: Mark.ACCEPT}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "truncated"),
        ("[]", "Expected"),
        ('{"other": ' + "[" * 100_000, "recursion"),
        ('{"marks": {"1": "perhaps"}}', "perhaps"),
        ('{"marks": {"x": "leave"}}', "no session number"),
        ('{"marks": {"0": "leave"}}', "no session number"),
        ('{"version": 2, "marks": {}}', "version 2"),
    ],
)
def test_what_makes_no_sense_is_an_error_and_stays(paths: RunPaths, content: str, why: str) -> None:
    paths.review.write_text(content)

    with pytest.raises(CommandError, match=why):
        read_marks(paths)
    with pytest.raises(CommandError, match="makes no sense"):
        set_mark(paths, 1, Mark.ACCEPT)
    assert paths.review.read_text() == content


def test_a_link_is_not_followed(paths: RunPaths, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.write_text("precious")
    paths.review.symlink_to(theirs)

    with pytest.raises(StorageError, match="cannot read"):
        set_mark(paths, 1, Mark.ACCEPT)
    assert theirs.read_text() == "precious"


def test_a_run_whose_directory_is_gone_takes_no_mark(tmp_path: Path) -> None:
    with pytest.raises(StorageError):
        set_mark(RunPaths(tmp_path, "gone"), 1, Mark.ACCEPT)


def test_reviews_side_by_side_lose_nothing(paths: RunPaths) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda seq: set_mark(paths, seq, Mark.LEAVE), range(1, 41)))

    assert left_out(paths) == set(range(1, 41))
    assert list(paths.root.iterdir()) == [paths.review]
