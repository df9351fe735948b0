"""What `grind` advises against a working tree that is not clean makes it clean (SPEC 5)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import the_run

if TYPE_CHECKING:
    from pathlib import Path

STASH = "commit them, or put them away with `git stash -u`"
MOVE = (
    "`git stash` leaves repositories inside the tree where they are: move {} out of it,"
    " or list what should stay in `.git/info/exclude`"
)
INSIDE = "commit or stash inside {}; `git submodule update` brings back what is recorded"
REPOSITORY = "git init -q {0} && git -C {0} commit -q --allow-empty -m x"
SUBMODULE = (
    "git init -q ../lib && git -C ../lib commit -q --allow-empty -m x"
    " && git -c protocol.file.allow=always submodule --quiet add ../lib lib && git commit -qm lib && "
)
AWAY = "mv {0} ../moved-$(basename {0})"
STAYS = "echo /{0}/ >>.git/info/exclude"


def sh(project: Project, script: str) -> None:
    subprocess.run(["sh", "-ec", script], cwd=project.root, check=True)


@pytest.mark.parametrize(
    ("state", "hint", "followed"),
    [
        ("echo x >x", STASH, "git stash -uq"),
        ("git init -q --bare store", STASH, "git stash -uq"),
        (REPOSITORY.format("mine"), MOVE.format("mine"), AWAY.format("mine")),
        (REPOSITORY.format("mine"), MOVE.format("mine"), STAYS.format("mine")),
        (REPOSITORY.format("below/mine"), MOVE.format("below/mine"), AWAY.format("below/mine")),
        ("git worktree add -q mine", MOVE.format("mine"), "git worktree remove mine"),
        (SUBMODULE + "echo x >lib/x", INSIDE.format("lib"), "git -C lib stash -uq"),
        (
            SUBMODULE + "git -C lib commit -q --allow-empty -m y",
            INSIDE.format("lib"),
            "git submodule --quiet update",
        ),
        (
            f"{SUBMODULE} echo x >lib/x; {REPOSITORY.format('mine')}; echo x >x",
            "; ".join((STASH, MOVE.format("mine"), INSIDE.format("lib"))),
            f"git -C lib stash -uq; {AWAY.format('mine')}; git stash -uq",
        ),
    ],
)
def test_what_it_advises_makes_the_tree_clean(tmp_path: Path, state: str, hint: str, followed: str) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("chore", "echo done >done", max_runs=1)
    sh(project, state)
    before = project.git("status", "--porcelain")

    refused = project.pitboss("grind")

    assert refused.code == 4
    assert f"\nhint: {hint}\n" in refused.err
    assert project.git("status", "--porcelain") == before
    sh(project, followed)
    assert project.pitboss("grind").code == 0


def test_land_advises_the_same(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("chore", "echo done >done", max_runs=1)
    assert project.pitboss("grind").code == 0
    sh(project, REPOSITORY.format("mine"))

    refused = project.pitboss("land")

    assert refused.code == 1
    assert f"\nhint: {MOVE.format('mine')}\n" in refused.err
    sh(project, AWAY.format("mine"))
    assert project.pitboss("land").code == 0


def test_a_resume_advises_the_same(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.prompt("chore", "echo done >>done")
    assert project.pitboss("grind", "--max-iterations", "1").code == 3
    project.git("checkout", "-q", the_run(project).branch)
    sh(project, REPOSITORY.format("mine"))

    refused = project.pitboss("grind", "--resume", "--max-iterations", "2")

    assert refused.code == 4
    assert f"\nhint: {MOVE.format('mine')}, then resume\n" in refused.err
    sh(project, AWAY.format("mine"))
    assert project.pitboss("grind", "--resume", "--max-iterations", "2").code == 3
