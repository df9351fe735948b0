"""Git's many words for objects that are missing or cannot be read are told apart from other failures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.git.errors import GitError
from pitboss.git.repo import Repo
from tests.support.cli import Project

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OBJECTS = {"tree": "main^{tree}", "folder": "main:sub", "file": "main:sub/f", "parent": "main~"}
NEEDED_BY = {
    "check out": ("checkout", "--quiet", "--detach", "main"),
    "begin a branch": ("checkout", "--quiet", "--force", "-B", "new", "main"),
    "read": ("read-tree", "--reset", "-u", "main"),
    "look back": ("rev-list", "--objects", "main"),
    "merge": ("merge-tree", "--write-tree", "main", "other"),
}


def failure(project: Project, argv: Sequence[str]) -> GitError | None:
    """Why a git command fails; None if it needs nothing that is lost."""
    try:
        Repo.discover(project.root).git(*argv)
    except GitError as error:
        return error
    return None


@pytest.mark.parametrize("needed_by", NEEDED_BY)
@pytest.mark.parametrize("content", [None, b"", b"no object"])
@pytest.mark.parametrize("lost", OBJECTS)
def test_whatever_needs_a_lost_object_says_so(
    tmp_path: Path, lost: str, content: bytes | None, needed_by: str
) -> None:
    project = Project.create(tmp_path / "project")
    project.git("checkout", "-q", "-b", "other")
    project.write("sub/f", "theirs\n")
    project.commit("theirs")
    project.git("checkout", "-q", "-B", "main", "HEAD~")
    for number in range(2):
        project.write("sub/f", f"{number}\n")
        project.commit(f"ours {number}")
    oid = project.git("rev-parse", OBJECTS[lost]).strip()
    project.git("checkout", "-q", "other")
    file = project.root / ".git/objects" / oid[:2] / oid[2:]
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    failed = failure(project, NEEDED_BY[needed_by])
    assert failed is None or failed.objects_are_broken


def test_a_mistyped_name_is_no_lost_object(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    failed = failure(project, ("checkout", "--quiet", "--detach", "nowhere"))
    assert failed is not None
    assert not failed.objects_are_broken
