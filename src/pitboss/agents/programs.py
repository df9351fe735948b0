"""The program that each agent's CLI is, known without loading the agent (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.errors import StartError

if TYPE_CHECKING:
    from pitboss.core.config import AgentSettings

_PROGRAMS = {
    "aider": "aider",
    "claude_code": "claude",
    "codex": "codex",
    "copilot": "copilot",
    "gemini": "gemini",
    "opencode": "opencode",
    "qwen": "qwen",
    "shell": "sh",
}
"""By backend; those that are not here start a program of the user's own."""


def is_users_own(name: str) -> bool:
    """Whether the backend called `name` starts a program that the user must name."""
    return name not in _PROGRAMS


def program_of(name: str, settings: AgentSettings) -> str:
    """The program that the backend called `name` starts; raises StartError if the settings had to name one."""
    program = settings.binary or _PROGRAMS.get(name) or next(iter(settings.command), None)
    if program is None:
        raise no_command(name)
    return program


def no_command(name: str) -> StartError:
    """The refusal of a backend whose program the user must name and did not."""
    return StartError(
        f"the agent `{name}` has no command",
        hint=f'set [agent.{name}] command = ["PROGRAM", "ARGUMENT", ...] in .pitboss/config.toml',
    )
