"""A repository that is copied with a live run in it: each run minds its own processes (SPEC 7)."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import Gate, configure, grinding, the_run, verdict

if TYPE_CHECKING:
    from pathlib import Path

MODES = {"in place": "", "in a working copy": 'mode = "worktree"'}


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_a_resume_in_a_copy_leaves_the_agents_of_the_live_original_alone(tmp_path: Path, mode: str) -> None:
    project = Project.create(tmp_path / "repo")
    configure(project, grind=mode)
    gate = Gate(tmp_path / "gate")
    project.prompt("alpha", f"echo work >work.txt; {gate.script}", max_runs=1)
    with grinding(project) as live:
        gate.wait()
        # Files that are just being replaced may be missing in the copy.
        subprocess.run(["cp", "-a", project.root, tmp_path / "copy"], capture_output=True, check=False)
        copy = Project(tmp_path / "copy")
        copy.pitboss("grind", "--resume")
        gate.open()
        assert live.ended().code == 0
    run = the_run(project)
    assert verdict(run.records[0])[0] == "ok"
    assert run.files(run.branch)["work.txt"] == "work\n"
    assert verdict(the_run(copy).records[0])[0] == "aborted"
    assert the_run(copy).rescued("alpha") == {"work.txt": "work\n"}
