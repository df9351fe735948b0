"""Names of agents, and what can be said about them before a run (SPEC 2, 8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.agents import Probe, backend_names, build_agent, probe
from pitboss.core.config import AgentSettings, Config
from pitboss.errors import StartError
from tests.support.agents import executable

if TYPE_CHECKING:
    from pathlib import Path


def test_the_known_agents() -> None:
    assert backend_names() == ("claude_code", "command", "shell")


def test_an_agent_has_the_name_of_its_backend() -> None:
    settings = {"command": AgentSettings(command=("true",))}
    assert [build_agent(name, Config(agents=settings)).name for name in backend_names()] == [*backend_names()]


def test_an_unknown_agent_is_refused_with_the_known_ones_and_the_likely_one() -> None:
    with pytest.raises(StartError, match="unknown agent `claude-code`") as refused:
        build_agent("claude-code", Config())
    assert refused.value.hint == "did you mean `claude_code`? known agents: claude_code, command, shell"
    with pytest.raises(StartError) as refused:
        probe("zzz", AgentSettings())
    assert refused.value.hint == "known agents: claude_code, command, shell"


def test_a_probe_finds_the_program_on_the_path_and_its_version(tmp_path: Path) -> None:
    claude = executable(tmp_path / "claude", '[ "$1" = --version ] && echo "2.1.330 (Claude Code)"')
    found = probe("claude_code", AgentSettings(), environ={"PATH": str(tmp_path)})
    assert found == Probe(name="claude_code", path=str(claude), version="2.1.330 (Claude Code)")


def test_a_probe_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    assert probe("claude_code", AgentSettings(), environ={"PATH": str(tmp_path)}) == Probe(
        name="claude_code",
        problem="cannot find claude",
        hint="npm install -g @anthropic-ai/claude-code, or set [agent.claude_code] binary",
    )
    assert probe("command", AgentSettings()).problem == "the agent `command` has no command"


def test_a_program_that_fails_to_say_its_version_is_a_problem(tmp_path: Path) -> None:
    claude = executable(tmp_path / "claude", "exit 1")
    assert probe("claude_code", AgentSettings(binary=str(claude))).problem == f"{claude} --version failed"


def test_the_programs_of_shell_and_command_are_found_and_not_run(tmp_path: Path) -> None:
    program = executable(tmp_path / "mine", f"touch {tmp_path}/was-run")
    settings = AgentSettings(command=(str(program), "--flag"))
    assert probe("command", settings) == Probe(name="command", path=str(program))
    assert probe("shell", AgentSettings()).path is not None
    assert not (tmp_path / "was-run").exists()


def test_a_program_that_never_says_its_version_is_not_waited_for_long(tmp_path: Path) -> None:
    claude = executable(tmp_path / "claude", "exec sleep 300")
    found = probe("claude_code", AgentSettings(binary=str(claude)), timeout_s=0.3)
    assert found.problem == f"{claude} did not print its version within 0.3 s"
