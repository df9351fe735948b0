"""What `doctor` and a dry run say of a tree that a run uses, or left in disorder: what `grind` would say (SPEC 8)."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Gate, grinding, the_run

if TYPE_CHECKING:
    from pathlib import Path

RUN = "pitboss/grind/{0.run_id}"
LEFT = "session 1 of run {0.run_id} left its work there: `pitboss repair {0.run_id}` takes care of it"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "repo")


def of_the_tree(project: Project) -> tuple[str, str, str | None]:
    """The health, finding and hint of `doctor` about the working tree."""
    checks = json.loads(project.pitboss("doctor", "--json").out)["checks"]
    (found,) = (check for check in checks if check["subject"] == "repository")
    return found["health"], found["finding"], found["hint"]


def problems(project: Project, *args: str) -> list[str]:
    """What a dry run says would keep `grind` from starting."""
    done = project.pitboss("grind", "--dry-run", *args)
    assert done.code == 0, done
    return [line.removeprefix("- problem: ") for line in done.out.splitlines() if "problem" in line]


def at_work(project: Project, gate: Gate) -> None:
    project.prompt("chore", f"echo more >>README.md; {gate.script}", max_runs=1)


def killed_at_work(project: Project, tmp_path: Path) -> None:
    """A run whose runner was killed while its session had changed a file."""
    gate = Gate(tmp_path / "gate")
    at_work(project, gate)
    with grinding(project) as live:
        gate.wait()
        os.kill(live.runner(), signal.SIGKILL)
        live.ended()
    gate.open()


def test_what_a_live_session_changes_is_not_to_be_put_away(project: Project, tmp_path: Path) -> None:
    gate = Gate(tmp_path / "gate")
    at_work(project, gate)
    with grinding(project) as live:
        gate.wait()
        run = the_run(project)
        assert of_the_tree(project) == ("ok", f"on {RUN.format(run)}, in use by a live run", None)
        assert problems(project) == [f"run {run.run_id} is live in this working tree"]
        gate.open()
        assert live.ended().code == 0
    assert (of_the_tree(project), problems(project)) == (("ok", "on main, clean", None), [])


def test_what_a_dead_session_left_is_for_repair_or_a_resume_and_not_to_be_put_away(
    project: Project, tmp_path: Path
) -> None:
    killed_at_work(project, tmp_path)
    run = the_run(project)
    unclean = f"on {RUN.format(run)}, but the working tree is not clean: 1 path changed or untracked"
    assert of_the_tree(project) == ("warning", unclean, LEFT.format(run))
    assert problems(project) == [f"the working tree is not clean; {LEFT.format(run)}"]
    assert problems(project, "--resume") == []
    assert project.pitboss("grind", "--resume").code == 0


@pytest.mark.parametrize("state", ["changed", "untracked", "in a repository", "merging"])
def test_doctor_says_of_a_users_own_changes_what_grind_says(project: Project, state: str) -> None:
    project.prompt("chore", "true")
    if state == "in a repository":
        project.git("init", "-q", "inner")
    elif state == "merging":
        project.write(".git/MERGE_HEAD", project.git("rev-parse", "HEAD"))
    else:
        project.write("README.md" if state == "changed" else "new.txt", "mine\n")
    _, finding, hint = of_the_tree(project)
    assert project.pitboss("grind").err == f"error: {finding.removeprefix('on main, but ')}\nhint: {hint}\n"


def test_a_resume_would_not_settle_what_lies_in_the_tree_of_another_branch(
    project: Project, tmp_path: Path
) -> None:
    killed_at_work(project, tmp_path)
    project.git("switch", "-q", "main")
    assert problems(project, "--resume") == ["the working tree is not clean"]
    assert project.pitboss("grind", "--resume").code == 4
