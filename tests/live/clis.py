"""How each CLI is told, as its users tell it, to use a service of one's own: config.toml, environment, own settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from tests.live.model import Scenario

Files = dict[str, str]

SOON_S = 20.0
"""How long a usage limit lasts for a CLI that gives up at once."""

LATER_S = 100.0
"""The same for one that asks again for more than a minute."""

RETRIES = 1
"""`[limits] retries` of every run."""


GO_WELL = (
    Scenario.OK,
    Scenario.RATE_ONCE,
    Scenario.USAGE_LIMIT,
    Scenario.LIMIT_MIDWAY,
    Scenario.OUTAGE,
    Scenario.AUTH_ONCE,
    Scenario.SUBAGENT,
    Scenario.BACKGROUND,
    Scenario.LONG_OUTAGE,
    Scenario.TOGETHER,
    Scenario.SANDBOX,
)
"""The scenarios in which the work is done in the end."""

BLIND = (Scenario.BUDGET, Scenario.MAX_BUDGET)
"""What nothing can stop that tells nothing while it works."""

AS_A_PRESET = (
    Scenario.OK,
    Scenario.RATE_ONCE,
    Scenario.USAGE_LIMIT,
    Scenario.LIMIT_MIDWAY,
    Scenario.AUTH,
    Scenario.HANG,
    Scenario.LONGTOOL,
    Scenario.SUBAGENT,
    Scenario.TOGETHER,
    Scenario.SANDBOX,
)
"""What is tried behind the Agent Client Protocol: the rest is the CLI's own doing."""

MENDS_A_CLEAN_CUT = (*GO_WELL, Scenario.CUT_CLEAN)
"""It asks for the whole answer in one piece."""


class Cli(msgspec.Struct, frozen=True, kw_only=True):
    """One CLI under one backend. `env` and `files` (by path below HOME) take the base URL and the key.

    `limit_s` is how long its usage limit lasts, `stall_s` its `idle_seconds` where it is to stall: it must reach the
    service sooner. `counts_when_stopped` says whether it is known what it used when it is stopped while a tool
    runs. In `endless` scenarios it asks again without an end, so that all there is to see is a stall; in `silent` ones
    it does so without a word, but leaves word elsewhere of why, so that a stall is a busy service; those of `mends` end
    well with it. `without` are those that it has no means for. `has_price`: its model is in the public table.
    `counts`: it says what it used; `counts_failures`: also in a turn that fails. `ends_its_tasks`: it does not wait for
    what it started in the background. `program` is its key in INSTALLS.
    """

    backend: str
    model: str
    program: str
    env: Callable[[str, str], dict[str, str]]
    files: Callable[[str, str], Files] = lambda _url, _key: {}
    extra_args: tuple[str, ...] = ()
    limit_s: float = SOON_S
    stall_s: float = 45.0
    counts_when_stopped: bool = False
    has_price: bool = True
    counts: bool = True
    counts_failures: bool = True
    ends_its_tasks: bool = False
    without: tuple[Scenario, ...] = ()
    endless: tuple[Scenario, ...] = ()
    silent: tuple[Scenario, ...] = ()
    mends: tuple[Scenario, ...] = GO_WELL


def _json(value: dict[str, Any]) -> str:
    return msgspec.json.encode(value).decode()


def _claude(url: str, key: str) -> dict[str, str]:
    return {
        "ANTHROPIC_BASE_URL": url,
        "CLAUDE_CODE_OAUTH_TOKEN": key,
        "CLAUDE_CODE_MAX_RETRIES": "1",
        "IS_SANDBOX": "1",
    }


def _codex_files(url: str, _: str) -> Files:
    return {
        ".codex/config.toml": f"""
model_provider = "local"
[model_providers.local]
name = "local"
base_url = "{url}/v1"
env_key = "OPENAI_API_KEY"
wire_api = "responses"
request_max_retries = 1
stream_max_retries = 1
"""
    }


def _gemini_files(_url: str, _key: str) -> Files:
    settings = {
        "security": {"auth": {"selectedType": "gemini-api-key"}},
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"enableAutoUpdate": False, "maxAttempts": 2},
    }
    return {".gemini/settings.json": _json(settings)}


def _qwen_files(_url: str, _key: str) -> Files:
    settings = {
        "privacy": {"usageStatisticsEnabled": False},
        "general": {"disableAutoUpdate": True},
    }
    return {".qwen/settings.json": _json(settings)}


def _opencode_files(url: str, key: str) -> Files:
    model = {
        "name": "mock-model",
        "tool_call": True,
        "limit": {"context": 128_000, "output": 8192},
        "cost": {"input": 3, "output": 15, "cache_read": 0.3, "cache_write": 3.75},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "local",
        "options": {"baseURL": f"{url}/v1", "apiKey": key},
        "models": {"mock-model": model},
    }
    config = {
        "enabled_providers": ["local"],
        "provider": {"local": provider},
        "small_model": "local/mock-model",
    }
    # It writes the second one beside its configuration when it first starts, which a sandbox would not let it.
    return {".config/opencode/opencode.json": _json(config), ".config/opencode/.gitignore": "node_modules\n"}


def _copilot(url: str, key: str) -> dict[str, str]:
    return {
        "COPILOT_OFFLINE": "true",
        "COPILOT_PROVIDER_TYPE": "openai",
        "COPILOT_PROVIDER_BASE_URL": f"{url}/v1",
        "COPILOT_PROVIDER_API_KEY": key,
    }


def _kimi_files(url: str, key: str) -> Files:
    return {
        ".kimi-code/config.toml": f"""
default_model = "local"
[providers.local]
type = "openai"
base_url = "{url}/v1"
api_key = "{key}"
[models.local]
provider = "local"
model = "local"
max_context_size = 128000
"""
    }


_OF_THEIR_OWN = (
    Cli(
        backend="claude_code",
        program="claude",
        model="claude-sonnet-4-5",
        env=_claude,
        counts_when_stopped=True,
        mends=MENDS_A_CLEAN_CUT,
    ),
    Cli(
        backend="codex",
        ends_its_tasks=True,
        program="codex",
        model="gpt-5.1-codex",
        env=lambda _, key: {"OPENAI_API_KEY": key},
        files=_codex_files,
        counts_when_stopped=True,
    ),
    Cli(
        backend="gemini",
        ends_its_tasks=True,
        program="gemini",
        model="gemini-2.5-pro",
        env=lambda url, key: {"GEMINI_API_KEY": key, "GOOGLE_GEMINI_BASE_URL": url},
        files=_gemini_files,
        counts_when_stopped=True,
    ),
    Cli(
        backend="qwen",
        ends_its_tasks=True,
        program="qwen",
        model="qwen3-coder-plus",
        env=lambda url, key: {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": f"{url}/v1"},
        files=_qwen_files,
        extra_args=("--auth-type", "openai"),
        counts_when_stopped=True,
        has_price=False,
        silent=(Scenario.OVERLOADED,),
    ),
    Cli(
        backend="opencode",
        program="opencode",
        model="local/mock-model",
        env=lambda _url, _key: {},
        files=_opencode_files,
        limit_s=LATER_S,
        stall_s=90.0,  # in a new home it first gets packages of its own from the npm registry
        endless=(Scenario.CUT_CLEAN,),
        without=(Scenario.BACKGROUND,),
    ),
    Cli(
        backend="copilot",
        program="copilot",
        model="gpt-4.1",
        env=_copilot,
        limit_s=LATER_S,
        counts_when_stopped=True,
        without=BLIND,
    ),
    Cli(
        backend="aider",
        program="aider",
        model="openai/gpt-4o",
        env=lambda url, key: {"OPENAI_API_KEY": key, "OPENAI_API_BASE": f"{url}/v1"},
        limit_s=LATER_S,
        without=(
            Scenario.LONGTOOL,
            Scenario.LIMIT_MIDWAY,
            *BLIND,
            Scenario.SUBAGENT,
            Scenario.BACKGROUND,
            Scenario.TOGETHER,
        ),
        mends=MENDS_A_CLEAN_CUT,
    ),
    Cli(
        backend="kimi",
        ends_its_tasks=True,
        program="kimi",
        model="local",
        env=lambda _url, _key: {},
        files=_kimi_files,
        limit_s=LATER_S,
        counts_when_stopped=True,
        has_price=False,
    ),
)


NO_PRESETS_SUBAGENT = (*(each for each in Scenario if each not in AS_A_PRESET), Scenario.SUBAGENT)
"""Of a model whose only tool runs JavaScript."""


def _preset(backend: str, name: str, *, model: str | None = None, **other: Any) -> Cli:
    """The CLI of `backend` behind the Agent Client Protocol; `model` if the protocol calls its model otherwise."""
    cli = next(cli for cli in _OF_THEIR_OWN if cli.backend == backend)
    return msgspec.structs.replace(
        cli,
        backend=f"acp:{name}",
        program=name,
        model=model or cli.model,
        counts_when_stopped=False,
        **({"without": tuple(each for each in Scenario if each not in AS_A_PRESET)} | other),
    )


CLIS = (
    *_OF_THEIR_OWN,
    _preset("claude_code", "claude-agent-acp", model="sonnet", counts_failures=False),
    _preset("codex", "codex-acp", model="gpt-6.1-sol", counts_failures=False, without=NO_PRESETS_SUBAGENT),
    _preset("gemini", "gemini", counts_failures=False),
    _preset("qwen", "qwen"),
    _preset("opencode", "opencode", counts=False),
    _preset("copilot", "copilot"),
    _preset("kimi", "kimi"),
)
"""In the order of the table."""
