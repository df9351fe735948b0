"""The values of config.toml, with every default in one place (SPEC 2)."""

from enum import StrEnum
from typing import Literal

import msgspec

from pitboss.core.budget import Caps

DEFAULT_BACKEND = "claude_code"
OWN_PROGRAMS = ("acp", "command")
"""Backends that start the user's own program, which may cost nothing."""

DEFAULT_IDLE_S = 600.0
DEFAULT_SUBJECT = "{prompt}: {summary}"

HEARTBEAT = "[notify] heartbeat_url"
HEARTBEAT_END = "[notify] heartbeat_end_url"
"""What a warning calls these two settings."""


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One `[agent.NAME]` table. `command` is for the `command` backend.

    `idle_seconds` is the longest time without progress, None for the setting shared by all agents; `effort` is how
    hard the model should think, in the words of the backend's own CLI. `usage` "none" says that the user's own program
    costs nothing. `tools` are those of Claude Code that a session gets, None for all; `mcp` "none" keeps the user's
    servers of the Model Context Protocol out of it.
    """

    binary: str | None = None
    extra_args: tuple[str, ...] = ()
    model: str | None = None
    effort: str | None = None
    permission_mode: str | None = None
    command: tuple[str, ...] = ()
    idle_seconds: float | None = None
    usage: Literal["file", "none"] = "file"
    tools: str | None = None
    mcp: Literal["user", "none"] = "user"


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """One `[budgets.pricing.MODEL]` table: US dollars per million tokens; cached ones default to the input price."""

    input_per_million_usd: float
    output_per_million_usd: float
    cache_read_per_million_usd: float | None = None
    cache_write_per_million_usd: float | None = None


class HookSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Shell commands around a session; None means none."""

    pre_session: str | None = None
    post_session: str | None = None
    on_failure: str | None = None

    def over(self, base: "HookSettings") -> "HookSettings":
        """These hooks; where one is unset, that of `base`."""
        return HookSettings(
            pre_session=base.pre_session if self.pre_session is None else self.pre_session,
            post_session=base.post_session if self.post_session is None else self.post_session,
            on_failure=base.on_failure if self.on_failure is None else self.on_failure,
        )


class WorktreeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[grind.worktree]`: what a parallel session's working copy gets in addition to the commit."""

    copy: tuple[str, ...] = (".env",)
    setup: str | None = None
    clean: Literal["untracked", "all"] = "untracked"


class GrindSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[grind]` and its sub-tables."""

    prompts_dir: str | None = None
    default_rotation: str | None = None
    max_parallel: int = 1
    consecutive_failure_limit: int = 3
    hook_timeout_secs: int = 60
    hook_env_passthrough: tuple[str, ...] = ()
    transcript_retention: Literal["keep_all", "keep_none"] = "keep_all"
    rescue_ignored_mb: int = 64
    land: Literal["ok", "always"] = "ok"
    mode: Literal["in-place", "worktree"] = "in-place"
    stay: bool = False
    budgets: Caps = Caps()
    hooks: HookSettings = HookSettings()
    worktree: WorktreeSettings = WorktreeSettings()


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """`[limits]`: how long to wait for usage limits, and how often to retry a busy service.

    `max_wait_s` bounds the total wait for limits with no known end. `fallback` names agents to switch to instead of
    waiting. `pause_at` is the share of a quota (1.0 is all of it) at which no agent is started until the quota
    renews.
    """

    max_wait_s: float = 6 * 3600.0
    fallback: tuple[str, ...] = ()
    pause_at: float | None = None
    retries: int = 3
    retry_base_seconds: float = 20.0


class PullRequestSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of `[git]` about pull requests: the remote to push to, what the body is, whether it opens as a draft."""

    remote: str = "origin"
    body: Literal["sessions", "report"] = "sessions"
    draft: bool = False


class Topic(StrEnum):
    """What a notice may be about: the words of `[notify] on`."""

    ENDED = "ended"
    NEEDS_YOU = "needs_you"
    DEAD_END = "dead_end"
    WAITING = "waiting"
    BUDGET = "budget"


class NotifySettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[notify]`: who is told of a run, of what, and how often; addresses as written, with their `${VAR}`.

    `heartbeat_url` is asked for every `heartbeat_s` seconds while the run is live, `heartbeat_end_url` once it ended
    in order.
    """

    urls: tuple[str, ...] = ()
    command: str | None = None
    on: tuple[Topic, ...] = tuple(Topic)
    min_interval_s: float = 300.0
    heartbeat_url: str | None = None
    heartbeat_s: float = 300.0
    heartbeat_end_url: str | None = None

    @property
    def addresses(self) -> dict[str, str]:
        """Every address by the setting it comes from."""
        listed = {f"[notify] urls, no. {nth}": url for nth, url in enumerate(self.urls, 1)}
        beats = {HEARTBEAT: self.heartbeat_url, HEARTBEAT_END: self.heartbeat_end_url}
        return listed | {setting: url for setting, url in beats.items() if url is not None}

    @property
    def is_unset(self) -> bool:
        """Whether nobody is to be told anything."""
        return not self.addresses and self.command is None


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[workers]`: where sessions run if not here, and how they get there (SPEC 14).

    `address` is one that `core.cluster` reads; None means that all sessions run here. `remote` is a git URL that both
    sides reach, None to send git objects through the engine. `tls` is the folder of the TLS files. A worker
    that has been silent for `lost_after_s` seconds is lost.
    """

    address: str | None = None
    remote: str | None = None
    tls: str | None = None
    lost_after_s: float = 60.0


class SandboxMode(StrEnum):
    """What stands around agents, hooks, set-up and tests (SPEC 13)."""

    OFF = "off"
    BWRAP = "bwrap"
    COMMAND = "command"


class SandboxSettings(msgspec.Struct, frozen=True, kw_only=True):
    """`[sandbox]`: what a session's processes can reach (SPEC 13).

    `writable` and `hidden` are paths, absolute or from the home directory (`~/`), added to what is writable and hidden
    by default; `hidden` has the last word. `command` is the wrapper of mode `command`, with its placeholders.
    """

    mode: SandboxMode = SandboxMode.OFF
    network: Literal["open", "none"] = "open"
    writable: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    @property
    def is_fenced(self) -> bool:
        """Whether there is anything around them."""
        return self.mode is not SandboxMode.OFF


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """A whole config.toml. `models` maps a role (implementer, fixer, planner, auditor) to a model.

    `env_remove` and `env_keep` are patterns of variables: those withheld from agents, and the exceptions. `probe`:
    try the agents before a run begins. `hard_budgets`: when the run reaches a cap, sessions in flight are stopped too.
    `author` is `NAME <MAIL>`, `commit_subject` a template with the placeholders of `core.text`; `warnings` are
    sentences about keys that this version does not know.
    """

    backend: str = DEFAULT_BACKEND
    idle_seconds: float = DEFAULT_IDLE_S
    env_remove: tuple[str, ...] = ()
    env_keep: tuple[str, ...] = ()
    probe: bool = False
    agents: dict[str, AgentSettings] = {}
    models: dict[str, str] = {}
    fixer_max_attempts: int = 2
    test_command: str | None = None
    pricing: dict[str, Price] = {}
    hard_budgets: bool = False
    limits: Limits = Limits()
    grind: GrindSettings = GrindSettings()
    notify: NotifySettings = NotifySettings()
    workers: WorkerSettings = WorkerSettings()
    sandbox: SandboxSettings = SandboxSettings()
    author: str = "pitboss <pitboss@local>"
    commit_subject: str = DEFAULT_SUBJECT
    pull_request: PullRequestSettings = PullRequestSettings()
    warnings: tuple[str, ...] = ()
