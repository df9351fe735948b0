"""Finds what sessions need of a worker, git and agents, and asks for their versions in the background (SPEC 14)."""

from __future__ import annotations

import os
import time
from threading import Thread
from typing import TYPE_CHECKING

from pitboss.agents.installation import find_installation
from pitboss.agents.table import agent_names, find_backend
from pitboss.core.config import AgentSettings
from pitboss.core.environment import agent_environment
from pitboss.git.version import installed_git
from pitboss.workers.roster import AgentFacts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.agents.installation import Installation

AGAIN_S = 30.0
"""Seconds between two looks: programs are installed, updated and logged in while a worker runs."""


class ProgramsHere:
    """The programs on this machine, looked for again and again."""

    def __init__(self, environ: Mapping[str, str], folder: str) -> None:
        """`environ` has the PATH; `folder` is one that exists."""
        self._env = agent_environment(environ, remove=(), keep=())
        self._versions: dict[tuple[str, str, int], str | None] = {}
        self._folder = folder
        self.agents = self._look(asking=False)
        """The agents by name."""
        self.git_unfit = installed_git(folder).unfit
        """Why git cannot be used, in a clause about this machine; None if it can."""
        Thread(target=self._go_on, daemon=True).start()

    def _go_on(self) -> None:
        while True:
            self.agents = self._look(asking=True)
            self.git_unfit = installed_git(self._folder).unfit
            time.sleep(AGAIN_S)

    def _look(self, *, asking: bool) -> dict[str, AgentFacts]:
        installed = (self._find(name, asking=False) for name in agent_names())
        return {
            found.name: self._facts(found, found.path, asking=asking)
            for found in installed
            if found.path is not None
        }

    def _find(self, name: str, *, asking: bool) -> Installation:
        return find_installation(name, AgentSettings(), environ=self._env, asking=asking)

    def _facts(self, found: Installation, path: str, *, asking: bool) -> AgentFacts:
        backend = find_backend(found.name)
        keys = [variable for variable in backend.key_variables if self._env.get(variable)]
        login = keys[0] if keys else backend.subscription(self._env)
        return AgentFacts(
            version=self._version(found.name, path, asking=asking),
            login=login,
            logged_in=(login is not None) if backend.key_variables else None,
        )

    def _version(self, name: str, path: str, *, asking: bool) -> str | None:
        """The version that the program at `path` reports; asked for once, and again after an update."""
        try:
            program = (name, path, os.stat(path).st_mtime_ns)  # noqa: PTH116
        except OSError:
            return None
        if asking and program not in self._versions:
            self._versions[program] = self._find(name, asking=True).version
        return self._versions.get(program)
