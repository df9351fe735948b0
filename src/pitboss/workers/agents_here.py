"""Which agents a worker has: found at once, their versions asked for beside everything else (SPEC 14)."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

from pitboss.agents.installation import find_installation
from pitboss.agents.table import agent_names, find_backend
from pitboss.core.config import AgentSettings
from pitboss.core.environment import agent_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

    Known = dict[str, dict[str, str | None]]


class AgentsHere:
    """The agents on this machine, by name: `version`, if it is known by now, and what `login` each would use."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._env = agent_environment(environ, remove=(), keep=())
        self.found = self._look(asking=False)
        Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        self.found = self._look(asking=True)

    def _look(self, *, asking: bool) -> Known:
        known: Known = {}
        for name in agent_names():
            found = find_installation(name, AgentSettings(), environ=self._env, asking=asking)
            if found.path is not None:
                known[name] = {"version": found.version, "login": self._login(name)}
        return known

    def _login(self, name: str) -> str | None:
        backend = find_backend(name)
        keys = [variable for variable in backend.key_variables if self._env.get(variable)]
        return keys[0] if keys else backend.subscription(self._env)
