"""The table of coding agents, and the one place where a name becomes an agent (SPEC 2, 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.programs import ACP, PRESETS, preset_of, program_of
from pitboss.core.config import AgentSettings
from pitboss.errors import StartError

if TYPE_CHECKING:
    from pitboss.agents.backend import Backend
    from pitboss.agents.driver import Driver
    from pitboss.core.config import Config

_BACKENDS = {
    "acp": "acp.AcpAgent",
    "aider": "aider.Aider",
    "claude_code": "claude.ClaudeCode",
    "codex": "codex.Codex",
    "command": "command.CommandAgent",
    "copilot": "copilot.Copilot",
    "gemini": "gemini.Gemini",
    "kimi": "kimi.Kimi",
    "opencode": "opencode.Opencode",
    "qwen": "qwen.Qwen",
    "shell": "shell.Shell",
}
"""The name of each backend and its class in this package, imported only when needed; sorted."""


def backend_names() -> tuple[str, ...]:
    """The names of the backends."""
    return tuple(_BACKENDS)


def agent_names() -> tuple[str, ...]:
    """What `[agent] backend`, `--agent` and a prompt's `agent:` may say: a backend, or `acp:` and a preset; sorted."""
    return tuple(sorted((*_BACKENDS, *(f"{ACP}{preset}" for preset in PRESETS))))


def find_backend(name: str) -> Backend:
    """The backend of the agent called `name`; raises StartError if there is none."""
    if preset := preset_of(name):
        from pitboss.agents.acp.presets import PresetAgent

        return PresetAgent(preset)
    if name in _BACKENDS:
        from importlib import import_module

        module, _, kind = _BACKENDS[name].rpartition(".")
        backend: Backend = getattr(import_module(f"pitboss.agents.{module}"), kind)()
        return backend
    raise _unknown(name)


def _unknown(name: str) -> StartError:
    from difflib import get_close_matches

    known = ", ".join(agent_names())
    close = get_close_matches(name, agent_names(), n=1)
    meant = f"did you mean `{close[0]}`? " if close else ""
    return StartError(f"unknown agent `{name}`", hint=f"{meant}known agents: {known}")


def check_agent(name: str, config: Config) -> None:
    """Raise StartError if there is no agent called `name`, or its `[agent.NAME]` settings cannot start anything."""
    if name not in _BACKENDS and preset_of(name) is None:
        raise _unknown(name)
    program_of(name, config.agents.get(name, AgentSettings()))


def build_agent(name: str, config: Config) -> Driver:
    """The agent called `name` with its `[agent.NAME]` settings; raises like `check_agent`."""
    from pitboss.agents.driver import Driver

    check_agent(name, config)
    return Driver(find_backend(name), config.agents.get(name, AgentSettings()), config)


def may_cost(name: str, config: Config) -> bool:
    """Whether the agent called `name` may cost something; raises like `check_agent`."""
    return build_agent(name, config).paid
