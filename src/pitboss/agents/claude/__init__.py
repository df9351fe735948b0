"""The `claude_code` backend: Claude Code without its terminal, read through its stream of JSON events (SPEC 6).

The prompt goes to stdin. `permission_mode` is `bypassPermissions` unless configured, because there is nobody to ask.
As root, Claude Code refuses that mode unless IS_SANDBOX=1 is in the environment; only the user can know that.
"""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING

from pitboss.agents.backend import Backend, Launch, RootRefusal
from pitboss.agents.claude.as_root import UNATTENDED, root_refusal
from pitboss.agents.claude.stream import ClaudeReader
from pitboss.agents.login_file import login_in
from pitboss.agents.output.session_file import home_of
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import AgentSettings

QUIET = {
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
}
"""Without these it looks for updates and phones home."""

LOGIN_VARIABLE = "CLAUDE_CODE_OAUTH_TOKEN"
LEAST_BUDGET_USD = 0.000001
"""It refuses a budget of zero."""


class ClaudeCode(Backend):
    """`claude -p`; a stop begins with SIGINT, after which it still prints its usage."""

    name = "claude_code"
    install = "npm install -g @anthropic-ai/claude-code, or set [agent.claude_code] binary"
    known_version = "2.1.332"
    oldest_version = "2.0.0"
    resumable = True
    unattended = UNATTENDED
    key_variables = ("ANTHROPIC_API_KEY",)
    session_lost = lazy_pattern("no conversation found with session id", re.IGNORECASE)

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """The documented headless command line, then `extra_args`, which therefore win."""
        model = request.model or settings.model
        begin = (
            self.binary(settings),
            *("-p", "--output-format", "stream-json", "--verbose"),
            *("--permission-mode", settings.permission_mode or UNATTENDED),
            *(() if settings.tools is None else ("--tools", settings.tools)),
            *(("--strict-mcp-config",) if settings.mcp == "none" else ()),
            *(() if model is None else ("--model", model)),
            *(() if settings.effort is None else ("--effort", settings.effort)),
            *(() if request.resume is None else ("--resume", request.resume.session_id)),
        )
        capped = (*_live(request), *_budget(request))
        return Launch(
            argv=(*begin, *capped, *settings.extra_args),
            older_argv=(*begin, *_live(request), *settings.extra_args) if capped else None,
            stdin=request.text.encode("utf-8", "replace"),
            env_defaults=QUIET,
            split_stderr=True,
            polite_signal=signal.SIGINT,
        )

    def reader(self, request: AgentRequest) -> ClaudeReader:
        """A reader of stream-json."""
        return ClaudeReader(request)

    def subscription(self, env: Mapping[str, str]) -> str | None:
        """The variable or the file that holds the login of a Claude subscription."""
        if env.get(LOGIN_VARIABLE):
            return LOGIN_VARIABLE
        file = home_of(env, "CLAUDE_CONFIG_DIR", ".claude") / ".credentials.json"
        return login_in(file, "claudeAiOauth", ("accessToken", "refreshToken"))

    def root_refusal(
        self, settings: AgentSettings, env: Mapping[str, str], *, uid: int
    ) -> RootRefusal | None:
        """Why it would refuse to work as root with all permissions."""
        return root_refusal(self.name, settings, env, uid=uid)


def _live(request: AgentRequest) -> tuple[str, ...]:
    """Ask for partial messages: until a message is complete, the other lines say that it is one token long.

    They make the transcript several times larger, so only a session with a cap asks for them.
    """
    return ("--include-partial-messages",) if request.live_usage else ()


def _budget(request: AgentRequest) -> tuple[str, ...]:
    """The CLI's own budget; for a resumed session the CLI's total includes what it cost before."""
    bounds = [usd for usd in (request.max_cost_usd, request.run_left_usd) if usd is not None]
    if not bounds:
        return ()
    earlier = 0.0 if request.resume is None else request.resume.usage.cost_usd
    return ("--max-budget-usd", f"{max(min(bounds) + earlier, LEAST_BUDGET_USD):.6f}")
