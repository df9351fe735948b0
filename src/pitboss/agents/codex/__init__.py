"""The `codex` backend: `codex exec --json`, prompt on stdin, no sandbox unless configured (SPEC 6).

It waits for more of the prompt while stdin is open, so stdin always ends.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.agents.backend import Backend, Cost, Launch
from pitboss.agents.codex.stream import CodexReader
from pitboss.agents.login_file import login_in
from pitboss.agents.output.session_file import home_of
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings

UNATTENDED = "danger-full-access"
BYPASS = ("--dangerously-bypass-approvals-and-sandbox",)
QUIET = (
    *("-c", "analytics.enabled=false", "-c", "check_for_update_on_startup=false"),
    *("--disable", "plugins"),
)
"""Without these it looks for updates and plugins and phones home."""


class Codex(Backend):
    """`codex exec`, with the prompt on stdin."""

    name = "codex"
    cost = Cost.PRICED
    install = "npm install -g @openai/codex, or set [agent.codex] binary"
    known_version = "0.169.0"
    oldest_version = "0.156.1"
    resumable = True
    unattended = UNATTENDED
    key_variables = ("OPENAI_API_KEY", "CODEX_API_KEY")
    session_lost = lazy_pattern(
        r"no rollout found|thread not loaded|\bthread [0-9a-f-]{36} not found", re.IGNORECASE
    )

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """The documented headless command line, then `extra_args`, which therefore win, then the task.

        `permission_mode` is a sandbox (`workspace-write`, ...); unless configured there is none.
        """
        model, mode, effort = request.model or settings.model, settings.permission_mode, settings.effort
        return Launch(
            argv=(
                self.binary(settings),
                *("exec", "--json", "--skip-git-repo-check"),
                *(BYPASS if mode in (None, UNATTENDED) else ("--sandbox", mode)),
                *QUIET,
                *(() if model is None else ("-m", model)),
                *(() if effort is None else ("-c", f'model_reasoning_effort="{effort}"')),
                *settings.extra_args,
                *(() if request.resume is None else ("resume", request.resume.session_id)),
                "-",
            ),
            stdin=request.text.encode("utf-8", "replace"),
            split_stderr=True,
        )

    def reader(self, request: AgentRequest) -> CodexReader:
        """A reader of its events and the thread's file."""
        return CodexReader(request)

    def subscription(self, env: Mapping[str, str]) -> str | None:
        """The file that holds the login of a ChatGPT subscription."""
        file = home_of(env, "CODEX_HOME", ".codex") / "auth.json"
        return login_in(file, "tokens", ("access_token", "refresh_token"))
