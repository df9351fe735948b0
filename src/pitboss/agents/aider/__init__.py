"""The `aider` backend: one message to aider, which edits files but neither runs commands nor resumes (SPEC 6).

It says yes to everything, because there is nobody to ask; `permission_mode` means nothing to it. Its map of the
repository needs a cache in the working copy, which would count as work: so it gets a map only if git ignores
`.aider.tags.cache.v4`, as with `.aider*` in .gitignore.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.aider.text import AiderReader
from pitboss.agents.backend import Backend, Cost, Launch
from pitboss.process import capture

if TYPE_CHECKING:
    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings

UNATTENDED = (
    *(
        "--message-file",
        "/dev/stdin",
        "--yes-always",
        "--no-pretty",
        "--no-fancy-input",
        "--no-notifications",
    ),
    *("--no-auto-commits", "--no-dirty-commits", "--no-gitignore"),
    *(
        "--no-suggest-shell-commands",
        "--no-detect-urls",
        "--no-show-model-warnings",
        "--no-show-release-notes",
    ),
    *("--chat-history-file", "/dev/null", "--input-history-file", "/dev/null"),
)
"""It asks nothing, commits nothing, leaves nothing in the working copy, and fetches no URL in the prompt."""

EXACT = ("--no-stream",)
"""Only an unstreamed answer has the service's token counts; for a streamed one aider guesses."""

QUIET = {
    "AIDER_ANALYTICS": "false",
    "AIDER_CHECK_UPDATE": "false",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
}
"""Without these it phones home, looks for updates and fetches prices."""

MAP_CACHE = ".aider.tags.cache.v4"


class Aider(Backend):
    """`aider --message-file`; it ignores SIGINT, so a stop begins with TERM."""

    name = "aider"
    cost = Cost.EITHER
    install = "pip install aider-chat, or set [agent.aider] binary"
    known_version = "0.86.2"
    runs_commands = False

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """The documented command line for one message, then `extra_args`, which therefore win.

        Only its analytics log says exactly what it used.
        """
        model = request.model or settings.model
        return Launch(
            argv=(
                self.binary(settings),
                *UNATTENDED,
                *EXACT,
                *("--analytics-log", request.usage_file),
                *(() if _map_is_ignored(request.cwd) else ("--map-tokens", "0")),
                *(() if model is None else ("--model", model)),
                *(() if settings.effort is None else ("--reasoning-effort", settings.effort)),
                *settings.extra_args,
            ),
            stdin=request.text.encode("utf-8", "replace"),
            env_defaults=QUIET,
            split_stderr=True,
        )

    def reader(self, request: AgentRequest) -> AiderReader:
        """A reader of its text and its log."""
        return AiderReader(request)


def _map_is_ignored(cwd: str) -> bool:
    return capture(("git", "check-ignore", "-q", MAP_CACHE), cwd=cwd, timeout_s=10.0).code == 0
