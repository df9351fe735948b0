"""Names of agents, and what can be said about them before a run (SPEC 2, 8)."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from pitboss.agents.installation import Fitness, Installation, find_installation, rooted
from pitboss.agents.programs import usual_program
from pitboss.agents.table import agent_names, backend_names, build_agent, find_backend
from pitboss.core.config import OWN_PROGRAMS, AgentSettings, Config
from pitboss.errors import StartError
from pitboss.process import capture
from tests.support.agents import executable

if TYPE_CHECKING:
    from pathlib import Path


def test_the_known_agents_are_sorted_and_each_is_found_under_its_name() -> None:
    assert [*backend_names()] == sorted(backend_names())
    assert {"claude_code", "command", "shell"} <= {*backend_names()}
    assert [find_backend(name).name for name in agent_names()] == [*agent_names()]
    assert {*backend_names(), "acp:gemini"} <= {*agent_names()}


def test_programs_of_the_users_own_are_the_backends_that_name_none() -> None:
    assert {name for name in agent_names() if usual_program(name) is None} == {*OWN_PROGRAMS}


@pytest.mark.parametrize("name", agent_names())
def test_what_can_resume_a_session_can_say_that_it_is_gone(name: str) -> None:
    backend = find_backend(name)
    assert backend.resumable == (backend.session_lost is not None)


def test_listing_the_agents_loads_none_of_them() -> None:
    code = "import sys, pitboss.agents.table as a; a.backend_names(); print([m for m in sys.modules if 'claude' in m])"
    answer = capture([sys.executable, "-c", code], cwd="/")
    assert (answer.stdout, answer.stderr) == (b"[]\n", b"")


def test_an_agent_has_the_name_of_its_backend() -> None:
    settings = {name: AgentSettings(command=("true",)) for name in backend_names()}
    assert [build_agent(name, Config(agents=settings)).name for name in backend_names()] == [*backend_names()]


def test_an_unknown_agent_is_refused_with_the_known_ones_and_the_likely_one() -> None:
    with pytest.raises(StartError, match="unknown agent `claude-code`") as refused:
        build_agent("claude-code", Config())
    known = ", ".join(agent_names())
    assert refused.value.hint == f"did you mean `claude_code`? known agents: {known}"
    with pytest.raises(StartError) as refused:
        find_installation("zzz", AgentSettings())
    assert refused.value.hint == f"known agents: {known}"


def test_a_probe_finds_the_program_on_the_path_and_its_version(tmp_path: Path) -> None:
    claude = executable(tmp_path / "claude", '[ "$1" = --version ] && echo "2.1.332 (Claude Code)"')
    found = find_installation("claude_code", AgentSettings(), environ={"PATH": str(tmp_path)})
    assert found == Installation(
        name="claude_code",
        path=str(claude),
        version="2.1.332 (Claude Code)",
        fitness=Fitness.KNOWN,
        known_version="2.1.332",
    )


@pytest.mark.parametrize(
    ("version", "fitness"),
    [
        ("2.1.332 (Claude Code)", Fitness.KNOWN),
        ("v2.1.332-beta", Fitness.KNOWN),
        ("2.1.331 (Claude Code)", Fitness.UNTRIED),
        ("2.1.99", Fitness.UNTRIED),
        ("2.1.332.0", Fitness.KNOWN),
        ("2.0", Fitness.UNTRIED),
        ("1.0.128 (Claude Code)", Fitness.TOO_OLD),
        ("built from source", Fitness.UNTRIED),
    ],
)
def test_a_version_is_known_to_work_or_untried_or_too_old(
    tmp_path: Path, version: str, fitness: Fitness
) -> None:
    claude = executable(tmp_path / "claude", f"echo '{version}'")
    found = find_installation("claude_code", AgentSettings(binary=str(claude)))
    assert (found.version, found.fitness, found.problem) == (version, fitness, None)
    assert (found.hint is not None) == (fitness is Fitness.TOO_OLD)


@pytest.mark.parametrize(
    ("printed", "version"),
    [
        (r"(node:7) Warning: old punycode\n\n2.1.332 (Claude Code)\nmore", "2.1.332 (Claude Code)"),
        (r"\033[33;1mwarning\033[0m: no colors\n\033]0;claude\007\033[1m2.1.332\033[0m", "2.1.332"),
        (r"\033[1mbuilt from source\033[0m\nby me", "built from source"),
    ],
)
def test_the_line_with_the_version_is_shown_as_plain_text(tmp_path: Path, printed: str, version: str) -> None:
    claude = executable(tmp_path / "claude", f"printf '{printed}\\n'")
    assert find_installation("claude_code", AgentSettings(binary=str(claude))).version == version


def test_a_probe_says_what_is_missing_and_how_to_get_it(tmp_path: Path) -> None:
    assert find_installation("claude_code", AgentSettings(), environ={"PATH": str(tmp_path)}) == Installation(
        name="claude_code",
        problem="cannot find claude",
        hint="npm install -g @anthropic-ai/claude-code, or set [agent.claude_code] binary",
    )
    assert find_installation("command", AgentSettings()).problem == "the agent `command` has no command"


def test_a_program_that_fails_to_say_its_version_is_a_problem(tmp_path: Path) -> None:
    claude = executable(tmp_path / "claude", "exit 1")
    assert (
        find_installation("claude_code", AgentSettings(binary=str(claude))).problem
        == f"{claude} --version failed"
    )


def test_the_programs_of_shell_and_command_are_found_and_not_run(tmp_path: Path) -> None:
    program = executable(tmp_path / "mine", f"touch {tmp_path}/was-run")
    settings = AgentSettings(command=(str(program), "--flag"))
    assert find_installation("command", settings) == Installation(name="command", path=str(program))
    assert find_installation("shell", AgentSettings()).path is not None
    assert not (tmp_path / "was-run").exists()


def test_a_program_that_never_says_its_version_is_not_waited_for_long(tmp_path: Path) -> None:
    claude = executable(tmp_path / "claude", "exec sleep 300")
    found = find_installation("claude_code", AgentSettings(binary=str(claude)), timeout_s=0.3)
    assert found.problem == f"{claude} did not print its version within 0.3 s"


def test_a_program_with_a_slash_is_that_of_the_repository(tmp_path: Path) -> None:
    config = Config(
        agents={
            "claude_code": AgentSettings(binary="tools/claude"),
            "command": AgentSettings(command=("./agent.sh", "in/put")),
            "codex": AgentSettings(binary="/opt/codex"),
            "gemini": AgentSettings(binary="gemini-beta"),
            "qwen": AgentSettings(model="m"),
        }
    )
    assert rooted(config, tmp_path).agents == {
        "claude_code": AgentSettings(binary=f"{tmp_path}/tools/claude"),
        "command": AgentSettings(command=(f"{tmp_path}/agent.sh", "in/put")),
        "codex": AgentSettings(binary="/opt/codex"),
        "gemini": AgentSettings(binary="gemini-beta"),
        "qwen": AgentSettings(model="m"),
    }
