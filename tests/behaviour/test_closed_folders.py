"""Folders that an agent closed: git says nothing of what is in them, and yet it is work (SPEC 1.2)."""

from __future__ import annotations

import os
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import COMMAND, Project
from tests.support.disk import LIKE_ANYBODY
from tests.support.runs import configure, the_run

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up reading everything")

MODES = ("in-place", "worktree")
ACTS = {
    "a new folder": ("mkdir new; echo text >new/file; chmod 000 new", {"new/file": "text\n"}),
    "one in the other": (
        "mkdir -p new/inner; echo text >new/inner/file; chmod 000 new/inner new",
        {"new/inner/file": "text\n"},
    ),
    "one that can be listed and not entered": (
        "mkdir new; echo text >new/file; chmod 600 new",
        {"new/file": "text\n"},
    ),
    "a tracked one": (
        "echo more >src/code; echo text >src/new; chmod 000 src",
        {"src/code": "more\n", "src/new": "text\n"},
    ),
    "a tracked one, edits only": ("echo more >src/code; chmod 000 src", {"src/code": "more\n"}),
    "a tracked one, of the size and in the second of the checkout": (
        "echo more >src/code; chmod 000 src; sleep 1.1",  # git looks in another second
        {"src/code": "more\n"},
    ),
    "beside a change": (
        "echo x >new; mkdir dir; echo y >dir/y; chmod 000 dir",
        {"new": "x\n", "dir/y": "y\n"},
    ),
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    project.write("src/code", "code\n")
    project.commit("Code")
    return project


def grind(project: Project) -> int:
    command = [*LIKE_ANYBODY, *COMMAND, "grind"]
    return subprocess.run(
        command, check=False, cwd=project.root, env=project.env, stdin=subprocess.DEVNULL
    ).returncode


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("act", "work"), ACTS.values(), ids=ACTS)
def test_what_is_in_a_closed_folder_lands(
    project: Project, mode: str, act: str, work: dict[str, str]
) -> None:
    configure(project, grind=f'mode = "{mode}"')
    project.prompt("chore", act, max_runs=1)
    assert grind(project) == 0
    run = the_run(project)
    assert run.files(run.branch) == work


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("act", "work"), ACTS.values(), ids=ACTS)
def test_what_is_in_a_closed_folder_is_rescued(
    project: Project, mode: str, act: str, work: dict[str, str]
) -> None:
    configure(project, grind=f'mode = "{mode}"')
    project.prompt("chore", f"{act}; exit 1", max_runs=1)
    assert grind(project) == 1
    assert the_run(project).rescued("chore") == work
    assert project.git("status", "--porcelain") == ""


def test_what_the_user_closed_stays_closed(project: Project) -> None:
    configure(project)
    closed = project.root / "closed"
    closed.mkdir(mode=0)
    project.prompt("chore", "echo text >new", max_runs=1)
    assert grind(project) == 0
    run = the_run(project)
    assert run.files(run.branch) == {"new": "text\n"}
    assert stat.S_IMODE(closed.stat().st_mode) == 0
