"""`pitboss land` killed before or after each git it starts: the branch is where it was or where it goes (SPEC 11)."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import the_run

if TYPE_CHECKING:
    from pathlib import Path

KILLER = """#!/bin/sh
n=$(($(cat {count} 2>/dev/null || echo 0) + 1))
echo $n >{count}
[ "$n$KILL" != "{at}before" ] || {{ kill -9 $PPID; exit 1; }}
{git} "$@"
code=$?
[ "$n$KILL" != "{at}after" ] || kill -9 $PPID
exit $code
"""
MOST_CALLS = 60


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project on `main`, after a run of three sessions."""
    project = Project.create(tmp_path_factory.mktemp("ground") / "project")
    for nth, script in enumerate(("echo 1 >one", "rm README.md", "mkdir d; echo 3 >d/three"), 1):
        project.prompt(f"p{nth}", script, max_runs=1)
    assert project.pitboss("grind").code == 0
    return project


@pytest.mark.parametrize(
    ("given", "moment"), [((), "before"), ((), "after"), (("--only", "2-3"), "after")], ids=str
)
def test_a_kill_at_any_git_leaves_before_or_after(
    ground: Project, tmp_path: Path, given: tuple[str, ...], moment: str
) -> None:
    tips = set()
    for at in range(1, MOST_CALLS):
        project = copied(ground, tmp_path / f"{at}")
        before = project.git("rev-parse", "main").strip()
        killed = killed_at(project, tmp_path / f"{at}", at, moment, given)
        if killed == 0:
            break
        left = project.git("rev-parse", "main").strip()
        if left == before:
            assert project.git("status", "--porcelain") == ""
        tips.add(left == before)

        again = project.pitboss("land", *given)

        assert again.code == 0, (at, again)
        assert project.git("status", "--porcelain") == "", at
        assert landed(project) == expected(given), at
        assert project.git("fsck", "--strict", "--no-dangling").strip() == ""
        assert not (the_run(project).folder / "switch").exists()
    else:
        raise AssertionError("it never ended by itself")
    assert tips == {True, False}


@pytest.mark.parametrize("half", ["", "1", "1\n"])
def test_a_checkout_that_was_cut_short_in_a_file_is_put_right(
    ground: Project, tmp_path: Path, half: str
) -> None:
    project = copied(ground, tmp_path / "it")
    run = the_run(project)
    before, after = (project.git("rev-parse", rev).strip() for rev in ("main", run.branch))
    (run.folder / "switch").write_text(f"{before} {after}\n")
    project.git("update-ref", "refs/heads/main", after)
    project.write("one", half)
    project.write(".git/index.lock", "")

    done = project.pitboss("land")

    assert done.out.startswith("the working tree follows main again: an earlier landing had been cut short\n")
    assert project.git("status", "--porcelain") == ""
    assert landed(project) == expected(())


def test_what_somebody_changed_since_is_left_alone(ground: Project, tmp_path: Path) -> None:
    project = copied(ground, tmp_path / "it")
    run = the_run(project)
    before, after = (project.git("rev-parse", rev).strip() for rev in ("main", run.branch))
    (run.folder / "switch").write_text(f"{before} {after}\n")
    project.git("update-ref", "refs/heads/main", after)
    project.write("one", "mine\n")

    done = project.pitboss("land")

    assert (done.code, done.err.splitlines()[0]) == (
        1,
        "error: an earlier landing was killed before the working tree had followed, and more was changed in it since",
    )
    assert (project.root / "one").read_text() == "mine\n"


def copied(ground: Project, folder: Path) -> Project:
    folder.mkdir()
    shutil.copytree(ground.root, folder / "project", symlinks=True)
    return Project(folder / "project")


def killed_at(project: Project, folder: Path, at: int, moment: str, given: tuple[str, ...]) -> int:
    """Land with a git that kills whoever starts it for the nth time; returns the exit code."""
    git = shutil.which("git")
    wrapper = folder / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(KILLER.format(count=folder / "count", at=at, git=git))
    wrapper.chmod(0o755)
    path = f"{wrapper.parent}{os.pathsep}{project.env['PATH']}"
    return project.pitboss("land", *given, PATH=path, KILL=moment).code


def landed(project: Project) -> list[str]:
    """The files of the checkout."""
    files = (path for path in project.root.rglob("*") if path.is_file())
    names = (path.relative_to(project.root).as_posix() for path in files)
    return sorted(name for name in names if not name.startswith((".git/", ".pitboss/")))


def expected(given: tuple[str, ...]) -> list[str]:
    return [".gitignore", "d/three", *(() if "--only" in given else ("one",))]
