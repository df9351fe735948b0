"""The judge of hostile acts sees what it is there to see."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.hostile.act import IN_PLACE, MODES, Act
from tests.hostile.judge import complaints
from tests.hostile.trial import Trial

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("mode", MODES)
def test_a_change_beside_the_repository_is_seen(mode: str, ground: Path, tmp_path: Path) -> None:
    (seen,) = complaints(Trial(ground, tmp_path, Act('echo theirs >"$BESIDE/precious"'), mode))
    assert seen.startswith("beside was changed")


@pytest.mark.parametrize(
    ("script", "fact"),
    [
        ("git config user.name agent", "config"),
        ("git branch -f other HEAD~1", "branches"),
        ("git stash drop -q", "stash"),
        ("echo settings >~/.profile", "home"),
    ],
)
def test_a_change_of_what_is_the_users_is_seen(script: str, fact: str, ground: Path, tmp_path: Path) -> None:
    (seen,) = complaints(Trial(ground, tmp_path, Act(script), IN_PLACE))
    assert seen.startswith(f"{fact} was changed")


def test_lost_work_a_wrong_ending_and_missing_words_are_seen(ground: Path, tmp_path: Path) -> None:
    act = Act("rm act.txt", keeps=("never written",), ends=("error",), told="never said", codes=(3,))
    lost, other, *rest = complaints(Trial(ground, tmp_path, act, IN_PLACE))
    assert (lost, other) == ("lost: 'the work of the act\\n'", "lost: 'never written'")
    assert [complaint.split()[0] for complaint in rest] == ["exit", "never", "ended"]
