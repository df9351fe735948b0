"""The `qwen` backend: Qwen Code without its terminal, read through its stream of JSON events (SPEC 6).

The prompt goes to stdin. `permission_mode` is the CLI's approval mode, `yolo` unless configured, because there is
nobody to ask. The user chooses its service, in settings.json or through OPENAI_API_KEY, OPENAI_BASE_URL and
OPENAI_MODEL. The CLI has no option for effort.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pitboss.agents.backend import Backend, Cost, Launch
from pitboss.agents.qwen.stream import QwenReader
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings

UNATTENDED = "yolo"
QUIET = {
    "QWEN_TELEMETRY_ENABLED": "false",
    "QWEN_CODE_SUPPRESS_YOLO_WARNING": "1",
}
"""Otherwise this warning would be the last complaint of any failure."""


class Qwen(Backend):
    """`qwen` in headless mode; it silently retries a 429 or 503 for hours, but its session's file says why."""

    name = "qwen"
    cost = Cost.PRICED
    install = "npm install -g @qwen-code/qwen-code (with Node.js 22), or set [agent.qwen] binary"
    known_version = "0.24.4"
    resumable = True
    unattended = UNATTENDED
    session_lost = lazy_pattern("no saved session found", re.IGNORECASE)

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """The documented headless command line, then `extra_args`, which therefore win."""
        model = request.model or settings.model
        return Launch(
            argv=(
                self.binary(settings),
                *("--output-format", "stream-json"),
                *("--approval-mode", settings.permission_mode or UNATTENDED),
                *(() if model is None else ("--model", model)),
                *(() if request.resume is None else ("--resume", request.resume.session_id)),
                *settings.extra_args,
            ),
            stdin=request.text.encode("utf-8", "replace"),
            env_defaults=QUIET,
            split_stderr=True,
        )

    def reader(self, request: AgentRequest) -> QwenReader:
        """A reader of stream-json."""
        return QwenReader(request)
