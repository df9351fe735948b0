"""No secret is left in a run directory or a commit, and a run directory is its owner's alone (SPEC 6)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from tests.support.cli import Project
from tests.support.runs import configure, the_run

if TYPE_CHECKING:
    from pathlib import Path

SECRET = "supersecretvalue-0001"
PARALLEL = "max_parallel = 2"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project.create(tmp_path / "repo")
    project.env["MY_TOKEN"] = SECRET
    return project


def holding(folder: Path, text: str) -> list[str]:
    """The files below a folder that hold `text`."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [str(path.relative_to(folder)) for path in files if text.encode() in path.read_bytes()]


@pytest.mark.parametrize("grind", ["", PARALLEL])
def test_what_agents_write_by_themselves_is_cleaned(project: Project, grind: str) -> None:
    configure(project, grind=grind)
    script = 'echo "the key is $MY_TOKEN" | tee -a "$PITBOSS_SUMMARY_FILE" >>"$PITBOSS_SCRATCHPAD"\necho x >work.txt'
    project.prompt("chore", script, max_runs=1, parallel_safe=bool(grind))
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    assert holding(run.folder, SECRET) == []
    assert "the key is [redacted]" in (run.folder / "scratchpad.md").read_text()
    assert run.records[0]["summary"] == "the key is [redacted]"
    assert "the key is [redacted]" in project.git("log", "-1", "--format=%B", run.branch)


def test_a_summary_that_is_too_long_is_cut_off_a_clean_text(project: Project) -> None:
    configure(project)
    script = 'printf "%065524d%s" 0 "$MY_TOKEN" >"$PITBOSS_SUMMARY_FILE"'
    project.prompt("chore", script, max_runs=1)
    project.pitboss("grind")
    assert the_run(project).records[0]["summary"].endswith("0000[redacted]")


def test_the_words_of_a_git_hook_are_cleaned(project: Project) -> None:
    configure(project)
    hook = '#!/bin/sh\necho "refused, MY_TOKEN=$MY_TOKEN" >&2\nexit 1\n'
    project.write(".git/hooks/pre-commit", hook).chmod(0o755)
    project.prompt("chore", "echo x >work.txt", max_runs=1)
    assert project.pitboss("grind").code == 1
    run = the_run(project)
    assert run.records[0]["reason"] == "commit_refused: refused, MY_TOKEN=[redacted]"
    assert holding(run.folder, SECRET) == []
    (rescued,) = run.records[0]["rescue"]
    assert SECRET not in project.git("log", "-1", "--format=%B", rescued)


def test_a_model_that_is_reported_is_cleaned(project: Project) -> None:
    script = (
        """printf '{"input_tokens": 5, "cost_usd": 1, "model": "%s"}' "$MY_TOKEN" >"$PITBOSS_USAGE_FILE" """
    )
    command = f"[agent.command]\ncommand = ['sh', '-c', '''{script}''']"
    configure(project, agent="command", more=command)
    project.prompt("chore", "true", max_runs=1)
    assert project.pitboss("grind").code == 0
    assert the_run(project).records[0]["model"] == "[redacted]"


@pytest.mark.parametrize("grind", ["", PARALLEL])
def test_a_run_directory_is_for_its_owner_alone(project: Project, grind: str) -> None:
    configure(project, grind=grind)
    project.prompt("chore", "echo done >$PITBOSS_SUMMARY_FILE", max_runs=1, parallel_safe=bool(grind))
    before = os.umask(0)
    try:
        assert project.pitboss("grind").code == 0
    finally:
        os.umask(before)
    folder = the_run(project).folder
    found = {
        path.relative_to(folder): oct(stat.S_IMODE(path.stat().st_mode))
        for path in [folder, *folder.rglob("*")]
        if "worktrees" not in path.relative_to(folder).parts[:-1]
    }
    assert {
        path for path, mode in found.items() if mode != ("0o700" if (folder / path).is_dir() else "0o600")
    } == set()
