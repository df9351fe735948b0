"""The table of coding agents, and the one place where a name becomes an agent (SPEC 2, 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.claude_code import ClaudeCode
from pitboss.agents.command import CommandAgent
from pitboss.agents.driver import Driver
from pitboss.agents.shell import Shell
from pitboss.core.config import AgentSettings, Config
from pitboss.errors import StartError
from pitboss.process import capture

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.agents.backend import Backend

PROBE_TIMEOUT_S = 10.0

_BACKENDS: tuple[Backend, ...] = (
    ClaudeCode(),
    CommandAgent(),
    Shell(),
)


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a backend's program without giving it work.

    `version` is the first line it prints when asked; None when it was not found, is not asked because the
    backend has no such question, or did not answer. `problem` says what is wrong, `hint` what to do.
    """

    name: str
    path: str | None = None
    version: str | None = None
    problem: str | None = None
    hint: str | None = None


def backend_names() -> tuple[str, ...]:
    """The names that `[agent] backend`, `--agent` and a prompt's `agent:` may have."""
    return tuple(backend.name for backend in _BACKENDS)


def build_agent(name: str, config: Config) -> Driver:
    """The agent called `name` with its `[agent.NAME]` settings.

    Raises StartError when there is no such backend, or when its settings cannot start anything.
    """
    backend = _backend(name)
    settings = config.agents.get(name, AgentSettings())
    backend.binary(settings)
    return Driver(backend, settings, config.pricing)


def probe(
    name: str,
    settings: AgentSettings,
    *,
    environ: Mapping[str, str] | None = None,
    timeout_s: float = PROBE_TIMEOUT_S,
) -> Probe:
    """Look for a backend's program on the PATH of `environ` (ours if None) and ask it for its version.

    Raises StartError when there is no such backend.
    """
    from shutil import which

    backend = _backend(name)
    try:
        program = backend.binary(settings)
    except StartError as error:
        return Probe(name=name, problem=error.message, hint=error.hint)
    path = which(program, path=None if environ is None else environ.get("PATH"))
    if path is None:
        return Probe(name=name, problem=f"cannot find {program}", hint=backend.install)
    if backend.version_args is None:
        return Probe(name=name, path=path)
    answer = capture([path, *backend.version_args], cwd="/", env=environ, timeout_s=timeout_s)
    if answer.timed_out:
        return Probe(name=name, path=path, problem=f"{path} did not print its version within {timeout_s:g} s")
    lines = answer.stdout.decode("utf-8", "replace").strip().splitlines()
    if answer.code != 0 or not lines:
        asked = " ".join((path, *backend.version_args))
        return Probe(name=name, path=path, problem=f"{asked} failed", hint=backend.install)
    return Probe(name=name, path=path, version=lines[0].strip())


def _backend(name: str) -> Backend:
    for backend in _BACKENDS:
        if backend.name == name:
            return backend
    from difflib import get_close_matches

    known = ", ".join(backend_names())
    close = get_close_matches(name, backend_names(), n=1)
    meant = f"did you mean `{close[0]}`? " if close else ""
    raise StartError(f"unknown agent `{name}`", hint=f"{meant}known agents: {known}")
