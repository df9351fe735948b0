"""The program that each agent's CLI is, known without loading the agent (SPEC 6)."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import TYPE_CHECKING

from pitboss.errors import StartError
from pitboss.process.search import find_program

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.config import AgentSettings

_PROGRAMS = {
    "aider": "aider",
    "claude_code": "claude",
    "codex": "codex",
    "copilot": "copilot",
    "gemini": "gemini",
    "kimi": "kimi",
    "opencode": "opencode",
    "qwen": "qwen",
    "shell": "sh",
}
"""By backend; those that are not here start a program of the user's own."""

ACP = "acp:"
PRESETS = ("auggie", "claude-agent-acp", "codex-acp", "copilot", "gemini", "kimi", "opencode", "qwen")
"""The programs that `acp:PROGRAM` starts with arguments of its own (`pitboss.agents.acp.presets`); sorted."""

_COMMAND = "command"
"""It needs a command even if its settings name another program to start."""


def preset_of(name: str) -> str | None:
    """The preset of the Agent Client Protocol that the agent `acp:PRESET` is; None for any other agent."""
    preset = name.removeprefix(ACP)
    return preset if preset != name and preset in PRESETS else None


def usual_program(name: str) -> str | None:
    """The program that the agent called `name` starts unless its settings name another; None for the user's own."""
    return preset_of(name) or _PROGRAMS.get(name)


def program_of(name: str, settings: AgentSettings) -> str:
    """The program that the backend called `name` starts; raises StartError if the settings had to name one."""
    program = settings.binary or usual_program(name) or next(iter(settings.command), None)
    if program is None or (name == _COMMAND and not settings.command):
        raise StartError(
            f"the agent `{name}` has no command",
            hint=f'set [agent.{name}] command = ["PROGRAM", "ARGUMENT", ...] in .pitboss/config.toml',
        )
    return program


def locate(program: str, path: str, root: Path | None) -> str | None:
    """Where a program is on a PATH whose relative entries start from `root`; None if it is not found."""
    return find_program(program, _folders(path, os.getcwd() if root is None else str(root)))  # noqa: PTH109


@lru_cache(maxsize=4)
def _folders(path: str, root: str) -> tuple[str, ...]:
    """The entries of a PATH, the relative ones from `root` on. Cached: many programs are looked for on the same one."""
    return tuple(os.path.join(root, entry) for entry in path.split(os.pathsep))  # noqa: PTH118
