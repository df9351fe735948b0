"""A paid key in the environment beside a subscription's login is told of before it costs anything (SPEC 4)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.support.agents import executable
from tests.support.cli import Done, Project
from tests.support.runs import configure, the_run

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-ant-api03-0123456789abcdef"
LOGIN = {"claudeAiOauth": {"accessToken": "a", "refreshToken": "r"}}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project whose user is logged in to claude; one prompt is for the shell agent."""
    project = Project.create(tmp_path / "project")
    project.prompt("alpha", "true", max_runs=1)
    login = tmp_path / "project-home/.claude/.credentials.json"
    login.parent.mkdir()
    login.write_text(json.dumps(LOGIN))
    return project


def use_claude(project: Project) -> None:
    """Make claude, which answers nothing, the agent of a second prompt."""
    binary = executable(project.root.parent / "claude", "cat >/dev/null; exit 3")
    more = f'[agent.claude_code]\nbinary = "{binary}"\npermission_mode = "plan"\n'
    configure(project, more=more)
    project.prompt("beta", "true", max_runs=1, agent="claude_code")


def warnings(done: Done) -> list[str]:
    return [line for line in done.err.splitlines() if line.startswith("warning:")]


def test_a_run_warns_once_of_the_key_and_how_to_drop_it(project: Project) -> None:
    use_claude(project)
    done = project.pitboss("grind", ANTHROPIC_API_KEY=KEY)
    (warning,) = warnings(done)
    assert warning.startswith("warning: claude_code may be billed by ANTHROPIC_API_KEY, although")
    assert '[agent] env_remove = ["ANTHROPIC_API_KEY"]' in warning
    assert KEY not in done.err


def test_a_run_that_is_resumed_does_not_warn_again(project: Project) -> None:
    use_claude(project)
    assert len(warnings(project.pitboss("grind", "--max-iterations", "1", ANTHROPIC_API_KEY=KEY))) == 1
    again = ("grind", "--resume", the_run(project).run_id, "--max-iterations", "2")
    resumed = project.pitboss(*again, ANTHROPIC_API_KEY=KEY)
    assert "resuming" in resumed.err
    assert warnings(resumed) == []


def test_a_run_whose_agents_do_not_get_the_key_or_need_none_is_quiet(project: Project) -> None:
    assert warnings(project.pitboss("grind", ANTHROPIC_API_KEY=KEY)) == []
    use_claude(project)
    config = project.root / ".pitboss/config.toml"
    config.write_text(config.read_text().replace("[agent]\n", '[agent]\nenv_remove = ["ANTHROPIC_*"]\n'))
    assert warnings(project.pitboss("grind", ANTHROPIC_API_KEY=KEY)) == []


def test_doctor_shows_it_as_a_warning(project: Project) -> None:
    use_claude(project)
    report = json.loads(project.pitboss("doctor", "--json", ANTHROPIC_API_KEY=KEY).out)
    (found,) = (check for check in report["checks"] if "ANTHROPIC" in check["finding"])
    assert (found["subject"], found["health"]) == ("agent", "warning")
    assert "env_remove" in found["hint"]
