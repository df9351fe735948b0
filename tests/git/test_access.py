"""What an agent left in git's way is cleared, and nothing outside of the tree (SPEC 1.2)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.access import with_access
from pitboss.git.errors import GitError
from pitboss.git.repo import Repo

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pipe_goes_unless_a_link_in_place_of_a_folder_leads_to_it(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "repo", tmp_path / "elsewhere"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / "folder").mkdir()
    elsewhere.mkdir()
    for name in ("a", "folder/b"):
        (root / name).write_text("tracked\n")
    repo = Repo.discover(root)
    repo.git("add", "--all")
    (root / "a").unlink()
    os.mkfifo(root / "a")
    (root / "folder").rename(tmp_path / "gone")
    (root / "folder").symlink_to(elsewhere)
    os.mkfifo(elsewhere / "b")
    with_access(repo, "add", "--all")
    assert repo.git("ls-files").split() == [b"folder"]
    assert not os.path.lexists(root / "a")
    assert (elsewhere / "b").is_fifo()


def test_permissions_come_back_but_not_behind_a_link_in_place_of_a_folder(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "repo", tmp_path / "elsewhere"
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / "folder/inner").mkdir(parents=True)
    (elsewhere / "inner").mkdir(parents=True)
    (root / "folder/inner/a").write_text("tracked\n")
    repo = Repo.discover(root)
    repo.git("add", "--all")
    (root / "folder").rename(tmp_path / "gone")
    (root / "folder").symlink_to(elsewhere)
    (root / "b").write_text("new\n")
    (root / "b").chmod(0)
    (elsewhere / "inner").chmod(0o500)
    with pytest.raises(GitError):
        with_access(repo, "-c", "alias.fail=!echo Permission denied >&2; exit 1", "fail")
    assert (root / "b").stat().st_mode & 0o777 == 0o400
    assert (elsewhere / "inner").stat().st_mode & 0o777 == 0o500
