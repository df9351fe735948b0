"""The `copilot` backend: GitHub's Copilot CLI without its terminal, prompt on stdin (SPEC 6)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.agents.backend import Backend, Cost, Launch
from pitboss.agents.copilot.stream import CopilotReader
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings

UNATTENDED = "allow-all"
QUIET = ("--no-auto-update", "--disable-client-telemetry", "--disable-builtin-mcps", "--no-ask-user")


class Copilot(Backend):
    """`copilot` with the prompt on stdin."""

    name = "copilot"
    cost = Cost.PRICED
    install = "npm install -g @github/copilot, or set [agent.copilot] binary"
    known_version = "1.0.102"
    oldest_version = "1.0.102"
    resumable = True
    unattended = UNATTENDED
    session_lost = lazy_pattern("no session(, task, or name| or task) matched", re.IGNORECASE)

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """The documented headless command line, then `extra_args`, which therefore win.

        `permission_mode` names an option that permits less than `allow-all`: `allow-all-tools`, ...
        """
        model, effort, resume = request.model or settings.model, settings.effort, request.resume
        return Launch(
            argv=(
                self.binary(settings),
                *("--output-format", "json", f"--{settings.permission_mode or UNATTENDED}"),
                *QUIET,
                *("--usage-output-file", request.usage_file),
                *(() if model is None else ("--model", model)),
                *(() if effort is None else ("--reasoning-effort", effort)),
                *(() if resume is None else (f"--resume={resume.session_id}",)),
                *settings.extra_args,
            ),
            stdin=request.text.encode("utf-8", "replace"),
            env_defaults={"COPILOT_AUTO_UPDATE": "false"},
            split_stderr=True,
        )

    def reader(self, request: AgentRequest) -> CopilotReader:
        """A reader of its events and the usage file."""
        return CopilotReader(request)
