"""A repair or resume that is refused changes nothing, nor what is known of when the run died (SPEC 7)."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Gate, grinding, the_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("again", [("repair", "RUN_ID"), ("grind", "--resume")])
def test_a_second_try_does_not_take_the_users_tree_for_the_sessions(
    tmp_path: Path, again: tuple[str, ...]
) -> None:
    project = Project.create(tmp_path / "repo")
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", f"{gate.script}", max_runs=1)
    with grinding(project) as live:
        gate.wait()
        os.kill(live.runner(), signal.SIGKILL)
        assert live.ended().code == 70
    gate.open()
    project.git("switch", "-q", "main")
    project.write("README.md", "the user's\n")
    args = [the_run(project).run_id if word == "RUN_ID" else word for word in again]
    for _ in range(2):
        refused = project.pitboss(*args)
        assert refused.code == 4, refused
        assert project.git("status", "--short", "--branch") == "## main\n M README.md\n"
    assert the_run(project).records == []
