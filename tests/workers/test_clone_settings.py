"""Which settings of the runner's repository a worker's clone has (SPEC 14)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.repo import Repo
from pitboss.workers.clone_settings import settings_of, take_over

if TYPE_CHECKING:
    from pathlib import Path


def made(folder: Path) -> Repo:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return Repo.discover(folder, purpose="a test")


@pytest.mark.parametrize(
    ("at_home", "there"),
    [
        ("https://example.com/shop.git", "https://example.com/shop.git"),
        ("https://me:secret@example.com/shop.git", "https://example.com/shop.git"),
        ("https://token@example.com/shop.git", "https://example.com/shop.git"),
        ("git@example.com:shop.git", "git@example.com:shop.git"),
        ("ssh://git@example.com/shop.git", "ssh://git@example.com/shop.git"),
        ("/srv/git/shop.git", "/srv/git/shop.git"),
        ("ssh://git:secret@example.com/shop.git", ""),
        (f"https://example.com/shop.git?key=ghp_{'a' * 36}", ""),
        ("../shop.git", ""),
        ("ext::sh -c true", ""),
        ("--upload-pack=true", ""),
    ],
)
def test_a_clone_knows_the_origin_unless_that_holds_a_secret_or_means_something_else_there(
    tmp_path: Path, at_home: str, there: str
) -> None:
    home, clone = made(tmp_path / "home"), made(tmp_path / "clone")
    home.git("config", "remote.origin.url", at_home)
    take_over(clone, settings_of(home))
    assert clone.git("config", "remote.origin.url", ok=(0, 1)).decode().strip() == there
