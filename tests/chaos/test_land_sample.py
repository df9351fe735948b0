"""A sample of the sweep over `pitboss land`, and what a landing that was cut short leaves to the next one (SPEC 11)."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.chaos.landing import WAYS, LandSweep
from tests.support.cli import Project
from tests.support.runs import the_run

if TYPE_CHECKING:
    from pathlib import Path

SAMPLED = 4
"""Points of each way to land: of all of them, `make chaos` tries every one."""


@pytest.fixture(scope="session")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> LandSweep:
    return LandSweep(tmp_path_factory.mktemp("landing"))


@pytest.mark.parametrize("way", WAYS)
def test_a_kill_at_any_instant_leaves_before_or_after(sweep: LandSweep, way: str) -> None:
    every = sweep.points(way)
    step = len(every) // SAMPLED
    tried = every[list(WAYS).index(way) % step :: step]

    assert len(tried) >= SAMPLED
    assert any(point.git for point in tried)
    assert not all(point.git for point in tried)
    assert [(str(point), wrong) for point in tried if (wrong := sweep.try_point(point))] == []


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project on `main`, after a run of three sessions."""
    project = Project.create(tmp_path_factory.mktemp("ground") / "project")
    for nth, script in enumerate(("echo 1 >one", "rm README.md", "mkdir d; echo 3 >d/three"), 1):
        project.prompt(f"p{nth}", script, max_runs=1)
    assert project.pitboss("grind").code == 0
    return project


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
    assert landed(project) == [".gitignore", "d/three", "one"]


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


def landed(project: Project) -> list[str]:
    """The files of the checkout."""
    files = (path for path in project.root.rglob("*") if path.is_file())
    names = (path.relative_to(project.root).as_posix() for path in files)
    return sorted(name for name in names if not name.startswith((".git/", ".pitboss/")))
