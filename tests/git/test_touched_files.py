"""What each of many landed sessions changed, asked of git once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.core.touched import Fate, TouchedFile
from pitboss.git.repo import Repo
from pitboss.git.touched_files import touched_files
from tests.support.cli import Project

if TYPE_CHECKING:
    from pathlib import Path


AS_SOMEBODY = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


def head(project: Project) -> str:
    return project.git("rev-parse", "HEAD").strip()


def committed(project: Project, name: str, text: str = "one\n") -> str:
    project.write(name, text)
    project.commit(name)
    return head(project)


def asked(project: Project, *commits: str, base: str | None) -> dict[str, tuple[TouchedFile, ...]]:
    return touched_files(Repo.discover(project.root), commits, base)


def test_a_session_is_all_that_came_since_the_one_before_it(project: Project) -> None:
    base = head(project)
    first = committed(project, "a")
    committed(project, "b")
    committed(project, "b", "two\n")
    second = committed(project, "c")
    assert asked(project, first, second, base=base) == {
        first: (TouchedFile(path="a", fate=Fate.ADDED, added=1),),
        second: (
            TouchedFile(path="b", fate=Fate.ADDED, added=1),
            TouchedFile(path="c", fate=Fate.ADDED, added=1),
        ),
    }


def test_commits_that_are_no_files_of_their_own_are_found_by_git(project: Project) -> None:
    base = head(project)
    first, second = committed(project, "a"), committed(project, "b")
    loose = asked(project, first, second, base=base)
    project.git("repack", "-a", "-d", "-q")
    assert asked(project, first, second, base=base) == loose
    third = committed(project, "c")
    found = asked(project, first, third, base=base)
    assert {commit: [file.path for file in files] for commit, files in found.items()} == {
        first: ["a"],
        third: ["b", "c"],
    }


def test_a_base_that_is_not_below_them_ends_nothing(project: Project) -> None:
    begun, beside = head(project), committed(project, "beside")
    project.git("checkout", "-q", "-b", "other", begun)
    tip = committed(project, "a")
    assert asked(project, tip, base=beside) == {tip: (TouchedFile(path="a", fate=Fate.ADDED, added=1),)}
    assert asked(project, begun, base=beside) == {}


def test_whatever_the_names_and_whatever_became_of_the_files(project: Project) -> None:
    names = ("a file", ":colon", 'quo"te', "tab\tname", "né", "a" * 40)
    for name in names:
        project.write(name, "one\ntwo\nthree\nfour\n")
    project.write("gone", "x\n")
    (project.root / "image").write_bytes(b"\0\1")
    project.commit("before")
    base = head(project)
    (project.root / "image").write_bytes(b"\0\2")
    project.git("mv", "a file", "moved")
    project.git("rm", "-q", "gone")
    for name in names[1:]:
        project.write(name, "one\n")
    project.commit("after")
    found = asked(project, head(project), base=base)[head(project)]
    assert {file.path: (file.fate, file.added, file.removed, file.was) for file in found} == {
        **dict.fromkeys(names[1:], (Fate.CHANGED, 0, 3, None)),
        "gone": (Fate.DELETED, 0, 1, None),
        "image": (Fate.CHANGED, None, None, None),
        "moved": (Fate.RENAMED, 0, 0, "a file"),
    }


def test_what_git_does_not_have_is_left_out(project: Project) -> None:
    base = head(project)
    tip = committed(project, "a")
    lost = "1" * 40
    assert set(asked(project, tip, lost, "--all", "HEAD", base=base)) == {tip}
    assert set(asked(project, tip, base=lost)) == {tip}
    assert set(asked(project, tip, base=None)) == {tip}
    assert asked(project, base=base) == {}


def test_of_a_merge_only_what_it_brought_counts(project: Project) -> None:
    base = head(project)
    first = committed(project, "a")
    project.git("checkout", "-q", "-b", "side", base)
    committed(project, "b")
    project.git("checkout", "-q", "main")
    project.git(*AS_SOMEBODY, "merge", "-q", "--no-edit", "side")
    merged = head(project)
    assert asked(project, first, merged, base=base)[merged] == (
        TouchedFile(path="b", fate=Fate.ADDED, added=1),
    )


def test_a_commit_that_changed_nothing_touched_nothing_and_the_first_of_all_everything(
    project: Project,
) -> None:
    root = project.git("rev-list", "--max-parents=0", "HEAD").strip()
    before = head(project)
    project.git(*AS_SOMEBODY, "commit", "-q", "--allow-empty", "-m", "nothing")
    assert asked(project, head(project), base=before) == {head(project): ()}
    assert [file.fate for file in asked(project, root, base=None)[root]]
