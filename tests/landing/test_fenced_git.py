"""What a session's sandbox has to know of git (SPEC 13)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.landing.fenced_git import FencedGit
from pitboss.store.paths import RunPaths
from tests.support.values import assigned

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("named", "kept"),
    [
        (".husky/_", [".husky"]),
        ("web/.husky/_", ["web/.husky"]),
        (".githooks", [".githooks"]),
        (".github/hooks", [".github/hooks"]),
        ("tools/hooks", ["tools/hooks"]),
        ("/elsewhere", []),
        ("../beside", []),
    ],
)
def test_hooks_in_the_tree_can_only_be_read_with_huskys_scripts_around_them(
    tmp_path: Path, named: str, kept: list[str]
) -> None:
    root = tmp_path / "repo"
    root.mkdir()
    for args in (("init", "-q", "-b", "main"), ("config", "core.hooksPath", named)):
        subprocess.run(("git", *args), cwd=root, check=True)
    ground, _ = FencedGit(Repo(root, root / ".git", root / ".git"), RunPaths(root, "r1")).of(assigned(1))
    assert list(ground.kept) == [str(root / name) for name in kept]
