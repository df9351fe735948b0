"""Agents behind the Agent Client Protocol that we know: how each is started, logged in and told what to do (SPEC 6).

`backend = "acp:NAME"`. A preset's `mode` is the agent's own mode in which it asks nobody: its reviewers of commands
would cost requests that it does not count. `permission_mode` chooses another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.acp import AcpAgent, qwen
from pitboss.agents.acp.stream import AcpReader, OwnCount
from pitboss.agents.backend import Cost
from pitboss.agents.output.gemini_chat import Chat
from pitboss.agents.output.kimi_wire import KimiWire
from pitboss.agents.programs import ACP
from pitboss.core.agent import AgentRequest

if TYPE_CHECKING:
    from pitboss.agents.backend import Launch
    from pitboss.core.config import AgentSettings


class Preset(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about one agent, whose program is called like its preset.

    `model_option` is for those that offer no choice of models by the protocol, `env` switches off what nobody needs at
    night unless the user has set it. `count` finds a file of its own with all the tokens of a session, of which it
    tells some; `file` is one that it is to read, with the variable that names it.
    """

    package: str
    log_in: str
    cost: Cost
    arguments: tuple[str, ...] = ()
    mode: str | None = None
    model_option: str | None = None
    env: dict[str, str] = {}
    count: Callable[[AgentRequest], OwnCount | None] | None = None
    file: Callable[[AgentRequest], tuple[str, bytes] | None] | None = None
    file_variable: str = ""


_PRESETS = {
    "auggie": Preset(
        package="@augmentcode/auggie",
        log_in="auggie login, or set AUGMENT_SESSION_AUTH",
        cost=Cost.UNKNOWN,
        arguments=("--acp",),
    ),
    "claude-agent-acp": Preset(
        package="@agentclientprotocol/claude-agent-acp",
        log_in="run claude once, or set CLAUDE_CODE_OAUTH_TOKEN or ANTHROPIC_API_KEY",
        cost=Cost.REPORTED,
        mode="bypassPermissions",
        env={
            "DISABLE_TELEMETRY": "1",
            "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_AUTOUPDATER": "1",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "CLAUDE_CODE_ENABLE_PROMPT_SUGGESTION": "false",
        },
    ),
    "codex-acp": Preset(
        package="@agentclientprotocol/codex-acp",
        log_in="codex login, or set OPENAI_API_KEY",
        cost=Cost.PRICED,
        mode="agent-full-access",
    ),
    "copilot": Preset(
        package="@github/copilot",
        log_in="copilot login, or set COPILOT_GITHUB_TOKEN",
        cost=Cost.PRICED,
        arguments=("--acp",),
        model_option="--model",
        env={"COPILOT_AUTO_UPDATE": "false"},
    ),
    "gemini": Preset(
        package="@google/gemini-cli",
        log_in="run gemini once, or set GEMINI_API_KEY",
        cost=Cost.PRICED,
        arguments=("--acp",),
        mode="yolo",
        model_option="--model",
        env={"GEMINI_CLI_TRUST_WORKSPACE": "true"},
        count=lambda request: Chat(request.env),
    ),
    "kimi": Preset(
        package="@moonshot-ai/kimi-code",
        log_in="kimi login",
        cost=Cost.PRICED,
        arguments=("acp",),
        count=lambda request: KimiWire(request.env),
    ),
    "opencode": Preset(
        package="opencode-ai",
        log_in="opencode auth login",
        cost=Cost.REPORTED,
        arguments=("acp",),
        env={"OPENCODE_DISABLE_AUTOUPDATE": "true"},
    ),
    "qwen": Preset(
        package="@qwen-code/qwen-code",
        log_in="set OPENAI_API_KEY, OPENAI_BASE_URL and OPENAI_MODEL",
        cost=Cost.PRICED,
        arguments=("--acp",),
        mode="yolo",
        model_option="--model",
        env={"QWEN_TELEMETRY_ENABLED": "false"},
        count=lambda request: None if qwen.quiet(request) is None else qwen.UsageRecord(request),
        file=qwen.quiet,
        file_variable=qwen.VARIABLE,
    ),
}


class PresetAgent(AcpAgent):
    """An agent that only has to be named."""

    def __init__(self, preset: str) -> None:
        self._preset = _PRESETS[preset]
        self.name = f"{ACP}{preset}"
        self.install = f'npm install -g {self._preset.package}, or set [agent."{self.name}"] binary'
        self.log_in = self._preset.log_in
        self.cost = self._preset.cost

    def launch(self, request: AgentRequest, settings: AgentSettings) -> Launch:
        """As any agent behind the protocol, in the mode that asks nobody unless the user chose another.

        Raises StartError as `AcpAgent.launch` does.
        """
        preset, model = self._preset, request.model or settings.model
        named = preset.model_option if model is not None else None
        options = () if named is None or model is None else (named, model)
        launch = self.launched(
            request,
            settings,
            (*preset.arguments, *options, *settings.extra_args),
            env_defaults=preset.env,
            usual_mode=preset.mode,
            **({} if named is None else {"model": None}),
        )
        return launch if preset.file is None else self._with_file(launch, preset.file(request))

    def _with_file(self, launch: Launch, file: tuple[str, bytes] | None) -> Launch:
        if file is None:
            return launch
        named = {self._preset.file_variable: file[0]}
        return msgspec.structs.replace(launch, file=file, env_defaults=launch.env_defaults | named)

    def reader(self, request: AgentRequest) -> AcpReader:
        """A reader of what our client prints, and of what the agent leaves out of that."""
        count = self._preset.count
        return AcpReader(request, None if count is None else count(request))
