"""A run says which of its agents may do anything although nobody wrote that down and nothing stands around them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pitboss.agents.table import agent_names, find_backend
from pitboss.agents.unfenced import unfenced
from pitboss.core.config import AgentSettings, Config
from tests.support.agents import request
from tests.support.cli import Project

ASKS_NOTHING = {"aider", "command", "kimi", "shell"}
"""Those that have no choice of modes."""


@pytest.mark.parametrize("name", agent_names())
def test_an_agent_that_asks_nothing_is_named_unless_it_is_fenced_in_or_its_mode_is_written_down(
    name: str,
) -> None:
    said = unfenced([name], Config(), fenced=False)
    assert (said is None) == (name in ASKS_NOTHING)
    assert unfenced([name], Config(), fenced=True) is None
    written = Config(agents={name: AgentSettings(permission_mode="plan")})
    assert unfenced([name], written, fenced=False) is None


def test_the_warning_says_what_to_write_and_names_every_agent_once() -> None:
    assert unfenced(["codex", "shell", "acp:gemini"], Config(), fenced=False) == (
        'codex and acp:gemini may do whatever you may, without asking: `[sandbox] mode = "bwrap"` fences agents in, '
        '`[agent.codex] permission_mode = "danger-full-access"` says that you want it so'
    )
    said = unfenced(["acp:qwen"], Config(agents={"acp:qwen": AgentSettings(model="m")}), fenced=False)
    assert '`[agent."acp:qwen"] permission_mode = "allow"`' in (said or "")


def test_codex_is_given_the_mode_that_the_warning_names_as_if_none_was() -> None:
    asked, backend = request(Path("/nowhere")), find_backend("codex")
    usual = backend.launch(asked, AgentSettings()).argv
    assert backend.launch(asked, AgentSettings(permission_mode="danger-full-access")).argv == usual


def test_a_run_says_so_when_it_starts(tmp_path: Path) -> None:
    project = Project.create(tmp_path / "project")
    project.write("claude", "#!/bin/sh\nexit 1\n").chmod(0o755)
    agent = '[agent]\nbackend = "claude_code"\n[agent.claude_code]\nbinary = "./claude"\n'
    project.write(".pitboss/config.toml", agent)
    assert (
        "claude_code may do whatever you may, without asking"
        in project.pitboss("grind", "-p", "do it", "--dry-run").err
    )
    project.write(".pitboss/config.toml", agent + 'permission_mode = "bypassPermissions"\n')
    assert "without asking" not in project.pitboss("grind", "-p", "do it", "--dry-run").err
