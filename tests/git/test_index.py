"""An index is read for repositories inside, and taken for nothing else by chance (SPEC 1.2)."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from pitboss.git.index import may_hold_links

if TYPE_CHECKING:
    from pathlib import Path

SETUP = """
git init -q -b main . && git config user.name Somebody && git config user.email some@body
mkdir src && echo one >src/one && echo two >two && git add -A && git commit -qm first
"""
ADD_LINK = "git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),sub"
LIKE_A_LINK_NS = 0x010000E0
"""A time whose end and the zero after it are the four bytes of a gitlink's mode."""
LINKS = {
    "none": (":", False),
    "one": (ADD_LINK, True),
    "one beside a path that git is not to look at": (
        f"git update-index --skip-worktree two; {ADD_LINK}",
        True,
    ),
    "none beside such a path": ("git update-index --skip-worktree two", False),
    "in a format that is not read": (f"{ADD_LINK}; git update-index --index-version 4", True),
    "in another file": (f"{ADD_LINK}; git update-index --split-index", True),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    sh(tmp_path, SETUP)
    return tmp_path


def sh(cwd: Path, script: str) -> None:
    subprocess.run(["sh", "-ec", script], cwd=cwd, check=True, capture_output=True)


def index(tree: Path) -> bytes:
    return (tree / ".git/index").read_bytes()


@pytest.mark.parametrize(("script", "expected"), LINKS.values(), ids=LINKS)
def test_repositories_inside_are_found_in_an_index(tree: Path, script: str, expected: bool) -> None:
    sh(tree, script)
    assert may_hold_links(index(tree), hash_bytes=20) is expected


def test_a_time_that_looks_like_a_repository_inside_is_none(tree: Path) -> None:
    os.utime(tree / "two", ns=(0, LIKE_A_LINK_NS))
    sh(tree, "git update-index --refresh")
    assert b"\0\0\xe0\0" in index(tree)
    assert not may_hold_links(index(tree), hash_bytes=20)
    sh(tree, ADD_LINK)
    assert may_hold_links(index(tree), hash_bytes=20)


def test_what_is_no_index_may_hold_anything() -> None:
    assert may_hold_links(b"\0\0\xe0\0", hash_bytes=20)
    assert may_hold_links(b"DIRC\0\0\0\2\0\0\0\1\0\0\xe0\0", hash_bytes=20)
