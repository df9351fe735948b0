"""What a session costs in git processes: it decides how many sessions a machine can run side by side (SPEC 1.7)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import the_run

if TYPE_CHECKING:
    from pathlib import Path

BUDGET_STOP = 3
SESSIONS = 60
START_AND_END = 50
"""Git processes of a run apart from its sessions': fewer than one a session, so that one more would show."""
EDITS = 'echo "$PITBOSS_SESSION_SEQ" >"file-$PITBOSS_SESSION_SEQ"'


def calls(folder: Path, *, slots: int) -> list[str]:
    """The git commands of a run whose sessions each edit a file, by git's own account."""
    project = Project.create(folder / "repo")
    for number in range(1, SESSIONS + 1):
        project.write(f"file-{number}", "as it was\n")
    project.commit("Files")
    project.prompt("chore", EDITS, parallel_safe=slots > 1)
    traces = trace(project, folder)
    done = project.pitboss("grind", "--max-iterations", str(SESSIONS), "--max-parallel", str(slots))
    assert done.code == BUDGET_STOP, done
    assert all(record["commit"] for record in the_run(project).records)
    return commands(traces)


def trace(project: Project, folder: Path) -> Path:
    """Have git account for every command from now on; returns the folder where it does."""
    traces = folder / "traces"
    traces.mkdir()
    settings = folder / "gitconfig"
    settings.write_text(f"[trace2]\n\teventTarget = {traces}\n")
    project.env["GIT_CONFIG_GLOBAL"] = str(settings)
    return traces


def commands(traces: Path) -> list[str]:
    return [command for trace in traces.iterdir() for command in _commands(trace)]


def _commands(trace: Path) -> list[str]:
    events = map(json.loads, trace.read_text().splitlines())
    return [event["name"] for event in events if event["event"] == "cmd_name"]


@pytest.mark.parametrize(("slots", "limit"), [(1, 1), (2, 3)])
def test_a_session_that_edits_files_takes_few_git_processes(tmp_path: Path, slots: int, limit: int) -> None:
    found = calls(tmp_path, slots=slots)
    assert len(found) <= START_AND_END + limit * SESSIONS, sorted(found)


def test_a_resume_that_is_refused_asks_git_for_the_repository_its_tree_its_refs_and_the_tip(
    tmp_path: Path,
) -> None:
    project = Project.create(tmp_path / "repo")
    project.prompt("chore", "true")
    assert project.pitboss("grind", "--max-iterations", "1").code == BUDGET_STOP
    traces = trace(project, tmp_path)
    assert project.pitboss("grind", "--resume", "--max-iterations", "1").code == BUDGET_STOP
    assert sorted(commands(traces)) == ["for-each-ref", "for-each-ref", "rev-parse", "rev-parse", "status"]
