"""The `opencode` backend: `opencode run` with JSON events, prompt on stdin (SPEC 6).

`permission_mode` is `allow` unless configured, because there is nobody to ask; another word (`ask`, `deny`)
becomes opencode's `permission`. What the user's own configuration denies stays denied. `effort` is what
opencode calls a model's variant.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.agents.backend import Backend, Cost, Launch
from pitboss.agents.opencode import log
from pitboss.agents.opencode.stream import OpencodeReader
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings

ALLOW = "allow"
CONFIG = "OPENCODE_CONFIG_CONTENT"
QUIET = {
    "OPENCODE_DISABLE_AUTOUPDATE": "1",
    "OPENCODE_DISABLE_MODELS_FETCH": "1",
    "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    "OPENCODE_DISABLE_DEFAULT_PLUGINS": "1",
}
"""Without these it looks for updates, model lists, language servers and plugins."""


class Opencode(Backend):
    """`opencode run`; it ignores SIGINT, so a stop begins with TERM."""

    name = "opencode"
    cost = Cost.EITHER
    install = "npm install -g opencode-ai, or set [agent.opencode] binary"
    known_version = "1.18.33"
    oldest_version = "1.18.3"
    resumable = True
    unattended = ALLOW
    session_lost = lazy_pattern("session not found", re.IGNORECASE)

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """The documented headless command line, then `extra_args`, which therefore win.

        Our own title spares it asking a model for one, which no event would count.
        """
        model = request.model or settings.model
        mode = settings.permission_mode or ALLOW
        return Launch(
            argv=(
                self.binary(settings),
                *("run", "--format", "json", *log.ARGUMENTS),
                *(("--auto",) if mode == ALLOW else ()),
                *("--title", f"pitboss: {request.prompt_name}"),
                *(() if model is None else ("--model", model)),
                *(() if settings.effort is None else ("--variant", settings.effort)),
                *(() if request.resume is None else ("--session", request.resume.session_id)),
                *settings.extra_args,
            ),
            stdin=request.text.encode("utf-8", "replace"),
            env=_configured(request.env, settings.permission_mode),
            env_defaults=QUIET,
            split_stderr=True,
        )

    def reader(self, request: AgentRequest) -> OpencodeReader:
        """A reader of its events."""
        return OpencodeReader(request)


def _configured(env: Mapping[str, str], mode: str | None) -> dict[str, str]:
    """The configuration to pass on: the user's own from the environment, and ours where that says nothing.

    A configuration that is not plain JSON (comments are allowed) stays as it is.
    """
    try:
        theirs = msgspec.json.decode(env.get(CONFIG) or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}
    ours = {"autoupdate": False, "share": "disabled"}
    asked = {} if mode is None else {"permission": mode}
    return {CONFIG: msgspec.json.encode(ours | theirs | asked).decode()}
