"""Which git is there, and whether it is new enough (SPEC 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.git.version import installed_git
from tests.support.agents import executable

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("script", "said", "unfit"),
    [
        ("echo git version 2.38.0", "git version 2.38.0", None),
        ("echo git version 2.9.5", "git version 2.9.5", "it has git version 2.9.5, older than 2.38"),
        ("echo git version 2.38.0; exit 1", None, "it has no git"),
        ("echo nothing of the kind", None, "it has no git"),
        (None, None, "it has no git"),
    ],
)
def test_git_is_asked_for_its_version_and_one_that_is_missing_broken_or_old_is_unfit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, said: str | None, unfit: str | None
) -> None:
    if script is not None:
        executable(tmp_path / "git", script)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = installed_git(str(tmp_path))
    assert (found.said, found.unfit) == (said, unfit)
