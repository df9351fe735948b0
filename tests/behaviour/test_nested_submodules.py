"""Submodules of submodules, in the user's own tree: what a session did there is kept, and they stay (SPEC 1.2, 1.6)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import the_run

if TYPE_CHECKING:
    from pathlib import Path

SETUP = """
new() { git init -q -b "$1" "../$1"; echo "$1" >"../$1/f"; }
add() { git -c protocol.file.allow=always submodule --quiet add "$1" "$2"; }
keep() { git add -A; git commit -qm "$1"; }
new inner; (cd ../inner; keep inner)
new lib; (cd ../lib; echo secret >.gitignore; keep lib; add "$PWD/../inner" inner; keep linked)
add "$PWD/../lib" lib
git -c protocol.file.allow=always submodule --quiet update --init --recursive
keep submodules
echo precious >lib/inner/secret; echo secret >>.git/modules/lib/modules/inner/info/exclude
"""
STATE = (
    "git submodule status --recursive | sed 's, (.*,,'; git -C lib/inner status --porcelain;"
    " cat lib/f lib/inner/f lib/inner/secret"
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with a submodule `lib`, which has a submodule `inner`, where a file of the user's is ignored."""
    project = Project.create(tmp_path / "repo")
    for role in ("GIT_AUTHOR", "GIT_COMMITTER"):
        project.env |= {f"{role}_NAME": "a", f"{role}_EMAIL": "a@local"}
    sh(project, SETUP)
    return project


def sh(project: Project, script: str) -> str:
    done = subprocess.run(
        ["sh", "-ec", script], cwd=project.root, env=project.env, capture_output=True, check=True
    )
    return done.stdout.decode()


WORK = {
    "an edit around it": "echo work >>lib/f",
    "an edit inside": "echo work >>lib/inner/f",
    "commits in both": "cd lib/inner; echo work >>f; git commit -qam in; cd ..; git add -A; git commit -qm out",
    "a new repository beside it": "git init -q lib/own; cd lib/own; echo work >f; git add -A; git commit -qm own",
}


@pytest.mark.parametrize("script", WORK.values(), ids=WORK)
def test_a_session_that_fails_leaves_them_as_they_were(project: Project, script: str) -> None:
    before = sh(project, STATE)
    project.prompt("alpha", f"({script})\nexit 1", max_runs=1)
    project.prompt("beta", f"({STATE}) >state.txt", max_runs=1, every=2)
    assert project.pitboss("grind").code == 1

    run = the_run(project)
    assert run.files(run.branch) == {"state.txt": before}
    assert sh(project, STATE) == before
    refs = run.record("alpha")["rescue"]
    assert any("work\n" in project.git("grep", "-h", "-e", "", ref) for ref in refs)
    assert "rescue" not in run.record("beta")


@pytest.mark.parametrize("script", ["echo work >>lib/f", "echo work >>lib/inner/f"], ids=["around", "inside"])
def test_a_session_that_lands_leaves_them_as_they_were(project: Project, script: str) -> None:
    before = sh(project, STATE)
    project.prompt("alpha", f"echo more >more.txt; {script}", max_runs=1)
    assert project.pitboss("grind").code == 0

    run = the_run(project)
    assert run.files(run.branch) == {"more.txt": "more\n"}
    assert sh(project, STATE) == before
    assert any("work\n" in project.git("grep", "-h", "-e", "", ref) for ref in run.record("alpha")["rescue"])
