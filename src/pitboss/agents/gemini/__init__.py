"""The `gemini` backend: Gemini CLI without its terminal, read through its stream of JSON events (SPEC 6).

The prompt goes to stdin. `permission_mode` is the CLI's approval mode, `yolo` unless configured, because there is
nobody to ask. The CLI has no option for effort. What it reads only from settings.json is left to the user: how to
log in (with GOOGLE_GEMINI_BASE_URL a key in the environment is not enough) and its usage statistics.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.agents.backend import Backend, Cost, Launch
from pitboss.agents.gemini.stream import GeminiReader
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings

UNATTENDED = "yolo"
UNATTENDED_ENV = {
    "GEMINI_CLI_TRUST_WORKSPACE": "true",
    "GEMINI_CLI_NO_RELAUNCH": "true",
    "GEMINI_TELEMETRY_ENABLED": "false",
}
"""It refuses to start in an untrusted folder; relaunched as its own child, it ignores TERM."""


class Gemini(Backend):
    """`gemini` in headless mode; when stopped it does not report its usage, but its session's file does."""

    name = "gemini"
    cost = Cost.PRICED
    install = "npm install -g @google/gemini-cli, or set [agent.gemini] binary"
    known_version = "0.61.0"
    oldest_version = "0.11.0"
    resumable = True
    unattended = UNATTENDED
    session_lost = lazy_pattern("invalid session identifier|no previous sessions found", re.IGNORECASE)

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """The documented headless command line, then `extra_args`, which therefore win.

        The CLI does not keep a session in which the model never answered, and then refuses to resume it.
        """
        model, resume = request.model or settings.model, request.resume
        if resume is not None and not resume.usage.has_tokens:
            resume = None
        return Launch(
            argv=(
                self.binary(settings),
                *("--output-format", "stream-json"),
                *("--approval-mode", settings.permission_mode or UNATTENDED),
                *(() if model is None else ("--model", model)),
                *(() if resume is None else ("--resume", resume.session_id)),
                *settings.extra_args,
            ),
            stdin=request.text.encode("utf-8", "replace"),
            env_defaults=UNATTENDED_ENV,
            split_stderr=True,
        )

    def reader(self, request: AgentRequest) -> GeminiReader:
        """A reader of stream-json."""
        return GeminiReader(request)
