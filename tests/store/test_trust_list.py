"""What is remembered of a repository in git's own directory (SPEC 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.store.trust_list import KEPT, remember, remembered

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_remembered_is_kept_once_and_in_order(tmp_path: Path) -> None:
    assert remembered(tmp_path) == ()
    remember(tmp_path, ["b", "a", "b"])
    remember(tmp_path, ["c", "a"])
    assert remembered(tmp_path) == ("b", "a", "c")
    assert (tmp_path / "pitboss" / "trusted").read_text() == "b\na\nc\n"


def test_what_is_known_is_not_written_again(tmp_path: Path) -> None:
    remember(tmp_path, ["a"])
    before = (tmp_path / "pitboss" / "trusted").stat().st_ino
    remember(tmp_path, ["a"])
    assert (tmp_path / "pitboss" / "trusted").stat().st_ino == before


def test_the_oldest_make_room(tmp_path: Path) -> None:
    digests = [f"{number:064x}" for number in range(KEPT + 2)]
    remember(tmp_path, digests)
    assert remembered(tmp_path) == tuple(digests[2:])


def test_what_cannot_be_read_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "pitboss" / "trusted").mkdir(parents=True)
    assert remembered(tmp_path) == ()
