"""What the engine asks of an agent and what comes back, whatever program the agent is (SPEC 6)."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage


class AgentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One agent start: the composed prompt, where it works, and what it may use up.

    `body` is the prompt file's body alone (the `shell` backend runs its blocks); `text` is the whole
    composed prompt. Paths are absolute. `max_seconds` is the wall clock, `idle_seconds` the longest
    silence, None for no limit; `max_cost_usd` is enforced while the agent runs.
    """

    prompt_name: str
    text: str
    body: str
    cwd: str
    env: dict[str, str]
    transcript: str
    usage_file: str
    model: str | None = None
    max_seconds: float = 1800.0
    idle_seconds: float | None = None
    max_cost_usd: float | None = None


class EventKind(StrEnum):
    """What a running agent just did, as far as a progress display cares."""

    STARTED = "started"
    TOOL = "tool"
    TEXT = "text"
    RETRY = "retry"
    USAGE = "usage"


class AgentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a running agent. `usage` is the total so far, not an increment."""

    kind: EventKind
    text: str = ""
    usage: Usage | None = None


class AgentOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent process ended, judged by its backend: the verdict, the bill and the last words.

    `reason` is a core.session.Reason with optional detail, None when `status` is ok. `text` is the
    agent's final message when it printed one. `resets_at` is when a usage limit ends, epoch seconds.
    """

    status: SessionStatus
    usage: Usage
    reason: str | None = None
    model: str | None = None
    text: str | None = None
    exit_code: int | None = None
    resets_at: float | None = None
