"""What a session is called afterwards: in its record, and in `git log --oneline` (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.agents.table import backend_names
from tests.support.cli import Project
from tests.support.replay import Table, replaying, table_of
from tests.support.runs import configure, instruct, the_run

if TYPE_CHECKING:
    from pathlib import Path

TALKERS = [(name, "ok") for name in backend_names() if "ok" in table_of(name).expected]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project.create(tmp_path / "repo")


def replay(
    project: Project, tmp_path: Path, backend: str, table: Table, capture: str, then: str = ""
) -> None:
    """Configure an agent that prints a capture in a tree where it has done something."""
    agent = replaying(tmp_path / "agent", table, capture, then=then)
    command = f'command = ["{agent.binary}"]\n' if backend == "acp" else ""
    configure(project, agent=backend, more=f'[agent.{backend}]\nbinary = "{agent.binary}"\n{command}')
    instruct(project, "greet", max_runs=1)


@pytest.mark.parametrize(("backend", "capture"), TALKERS)
def test_the_final_message_of_any_agent_stands_in_for_the_summary_it_did_not_write(
    project: Project, tmp_path: Path, backend: str, capture: str
) -> None:
    replay(project, tmp_path, backend, table_of(backend), capture)
    done = project.pitboss("grind")
    run = the_run(project)
    assert done.code == 0, done
    assert run.record("greet")["summary"] == "Done: wrote hello.txt."
    assert project.git("log", "-1", "--format=%s", run.branch) == "greet: Done: wrote hello.txt.\n"


def test_a_written_summary_is_worth_more_than_the_final_message(project: Project, tmp_path: Path) -> None:
    replay(
        project,
        tmp_path,
        "claude_code",
        table_of("claude_code"),
        "ok",
        then='printf "Greets in Latin.\\n\\nBecause why not.\\n" >"$PITBOSS_SUMMARY_FILE"',
    )
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    assert run.record("greet")["summary"] == "Greets in Latin.\n\nBecause why not."
    told = project.git("log", "-1", "--format=%B", run.branch)
    assert told.startswith("greet: Greets in Latin.\n\nGreets in Latin.\n\nBecause why not.\n\nPitboss-Run: ")


def test_a_failure_is_told_by_its_reason_not_by_the_last_words(project: Project, tmp_path: Path) -> None:
    replay(project, tmp_path, "claude_code", table_of("claude_code"), "ok")
    instruct(project, "greet", max_runs=1, verify=True)
    assert project.pitboss("grind").code == 1
    assert the_run(project).record("greet")["summary"].startswith("verify failed: no tests found")


def test_the_subject_is_the_users_own_and_recovery_does_not_go_by_it(project: Project) -> None:
    configure(project, more='[git]\nsubject = "chore: {summary} ({session})"')
    project.prompt("tidy", 'echo x >tidy; echo "Tidies up" >"$PITBOSS_SUMMARY_FILE"', max_runs=1)
    assert project.pitboss("grind").code == 0
    run = the_run(project)
    assert project.git("log", "-1", "--format=%s", run.branch) == "chore: Tidies up (session-0001)\n"
    (run.folder / "sessions.jsonl").write_text("")
    assert project.pitboss("repair", run.run_id, "--force").code == 0
    assert [(r["prompt"], r["status"], r["commit"]) for r in run.records] == [
        ("tidy", "ok", project.git("rev-parse", run.branch).strip())
    ]


def test_a_subject_with_a_placeholder_that_stands_for_nothing_is_refused(project: Project) -> None:
    configure(project, more='[git]\nsubject = "{promt}: {summary}"')
    project.prompt("tidy", "true")
    done = project.pitboss("grind")
    assert done.code == 4
    assert "git.subject: has '{promt}', which is no placeholder; a subject may have {prompt}," in done.err
