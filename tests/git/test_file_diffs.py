"""Diffs for people: file by file, never too much, whatever the names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.git.file_diffs import FileDiff, file_diffs
from pitboss.git.repo import Repo
from tests.support.cli import Project

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "project")


def found(project: Project, *, most_lines: int = 1000, most_of_a_file: int = 100) -> dict[str, FileDiff]:
    repo = Repo.discover(project.root)
    diffs = file_diffs(repo, "main~1...main", most_lines=most_lines, most_of_a_file=most_of_a_file)
    return {diff.paths[-1]: diff for diff in diffs}


def test_files_are_counted_and_have_their_own_patch_whatever_their_names(project: Project) -> None:
    names = ("a file", "*", 'quo"te', "tab\tname", "né")
    for name in names:
        project.write(name, f"diff --git {name}\n")
    project.commit("names")
    diffs = found(project)
    assert set(diffs) == set(names)
    for name, diff in diffs.items():
        assert (diff.added, diff.removed) == (1, 0)
        assert (diff.patch or b"").startswith(b"diff --git ")
        assert (diff.patch or b"").endswith(f"+diff --git {name}\n".encode())


def test_a_renamed_file_is_one_with_two_names(project: Project) -> None:
    project.write("old", "one\ntwo\nthree\nfour\n")
    project.commit("old")
    project.git("mv", "old", "new")
    project.write("new", "one\ntwo\nthree\nfive\n")
    project.commit("new")
    diff = found(project)["new"]
    assert (diff.paths, diff.added, diff.removed) == (("old", "new"), 1, 1)
    assert b"rename from old\nrename to new\n" in (diff.patch or b"")


def test_of_too_many_lines_small_files_are_shown_and_all_are_counted(project: Project) -> None:
    project.write("a-large", "x\n" * 101)
    project.write("b-small", "x\n" * 60)
    project.write("c-small", "x\n" * 60)
    project.write("d-tiny", "x\n")
    project.commit("much")
    diffs = found(project, most_lines=100)
    assert {name: diff.patch is not None for name, diff in diffs.items()} == {
        "a-large": False,
        "b-small": True,
        "c-small": False,
        "d-tiny": True,
    }
    assert (diffs["a-large"].added, diffs["c-small"].added) == (101, 60)
    assert (diffs["d-tiny"].patch or b"").endswith(b"+x\n")


def test_a_file_that_became_a_link_is_one_file_and_shifts_no_other(project: Project) -> None:
    for name in ("a", "b", "c"):
        project.write(name, "old\n")
    project.commit("files")
    (project.root / "a").unlink()
    (project.root / "a").symlink_to("b")
    project.write("b", "new b\n")
    project.write("c", "new c\n")
    project.commit("a link")
    patches = {name: diff.patch or b"" for name, diff in found(project).items()}
    assert b"deleted file mode 100644\n" in patches["a"]
    assert b"new file mode 120000\n" in patches["a"]
    assert patches["b"].endswith(b"-old\n+new b\n")
    assert patches["c"].endswith(b"-old\n+new c\n")


def test_a_submodule_shifts_no_file_however_git_is_set_to_show_it(project: Project) -> None:
    project.git("config", "diff.submodule", "log")
    commit = project.git("rev-parse", "HEAD").strip()
    project.git("update-index", "--add", "--cacheinfo", f"160000,{commit},a-module")
    (project.root / "a-module").mkdir()
    project.write("b", "b\n")
    project.commit("a module")
    patches = {name: diff.patch or b"" for name, diff in found(project).items()}
    assert patches["a-module"].endswith(f"+Subproject commit {commit}\n".encode())
    assert patches["b"].endswith(b"+b\n")


def test_where_nothing_changed_there_is_no_diff(project: Project) -> None:
    repo = Repo.discover(project.root)
    assert list(file_diffs(repo, "main...main", most_lines=1, most_of_a_file=1)) == []
