"""What the engine asks of an agent and what comes back, whatever program the agent is (SPEC 6)."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage


class QuotaWindow(msgspec.Struct, frozen=True, kw_only=True):
    """How much of one of a subscription's windows is used, 1.0 for all, and when it ends, epoch seconds."""

    used: float
    resets_at: float | None = None


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent says of its subscription's limits; None for a window that it did not speak of.

    `other` is the fullest of those of another length, such as a month; every reader may find none.
    """

    five_hour: QuotaWindow | None = None
    seven_day: QuotaWindow | None = None
    other: QuotaWindow | None = None


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's own session to go on with (SPEC 6).

    `usage` is what the attempts of that session so far were billed: a CLI that reports totals of the whole
    session has it in them.
    """

    session_id: str
    usage: Usage = Usage()


class AgentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One agent start: the composed prompt, where it works, and what it may use up.

    `body` is the prompt file's body alone (the `shell` backend runs its blocks); `text` is the whole
    composed prompt. Paths are absolute. `max_seconds` is the wall clock, `idle_seconds` the longest
    time without progress, None for the backend's setting; `max_cost_usd` is enforced while the agent
    runs; `live_usage` says that a cap looks at what it uses while it runs. `resume` asks a backend that is
    `resumable` to go on with an earlier attempt.
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
    live_usage: bool = False
    resume: Resume | None = None


class EventKind(StrEnum):
    """What a running agent just did, as far as a progress display cares."""

    STARTED = "started"
    TOOL = "tool"
    TEXT = "text"
    RETRY = "retry"
    USAGE = "usage"
    QUOTA = "quota"


class AgentEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a running agent. `usage` is the total so far, not an increment."""

    kind: EventKind
    text: str = ""
    usage: Usage | None = None
    quota: Quota | None = None


class AgentOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """How an agent process ended, judged by its backend: the verdict, the bill and the last words.

    `reason` is a core.session.Reason with optional detail, None when `status` is ok. `text` is the
    agent's final message when it printed one. `resets_at` is when a usage limit ends, epoch seconds.
    `session_id` is the CLI's own name for its session, `quota` the last it said of its subscription.
    `lost_session`: the session that `AgentRequest.resume` names is gone, so nothing was done; start it anew.
    `idle`: its output says that it did nothing at all, so that an ok needs work to show for it.
    """

    status: SessionStatus
    usage: Usage
    reason: str | None = None
    model: str | None = None
    text: str | None = None
    exit_code: int | None = None
    resets_at: float | None = None
    session_id: str | None = None
    tool_calls: int = 0
    quota: Quota | None = None
    lost_session: bool = False
    idle: bool = False
