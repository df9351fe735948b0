"""What the engine asks of an agent and what comes back, whatever program the agent is (SPEC 6)."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage


class QuotaWindow(msgspec.Struct, frozen=True, kw_only=True):
    """One window of a subscription: the share that is used (1.0 is all of it), and when it resets, in epoch seconds."""

    used: float
    resets_at: float | None = None


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent reports about its subscription's limits; None for a window that it did not mention.

    `other` is the fullest window of any other length, such as a month. Whoever reads it must allow for None.
    """

    five_hour: QuotaWindow | None = None
    seven_day: QuotaWindow | None = None
    other: QuotaWindow | None = None


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's own session that a later attempt can continue (SPEC 6).

    `usage` is what earlier attempts of that session were billed: a CLI that reports totals for the whole session
    includes it.
    """

    session_id: str
    usage: Usage = Usage()


class AgentRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One start of an agent: the composed prompt, where it works, and what it may use up.

    `body` is the prompt file's body alone (the `shell` backend runs its blocks); `text` is the whole composed
    prompt. Paths are absolute. `max_seconds` limits the wall clock, `idle_seconds` the time without progress (None:
    the backend's setting); `max_cost_usd` is enforced while the agent runs; `live_usage` says that a cap depends on
    usage reported during the run. `resume` asks a `resumable` backend to continue an earlier attempt.
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
    """How an agent process ended, as judged by its backend: the verdict, the bill and the last words.

    `reason` is a core.session.Reason with optional detail, None when `status` is ok. `text` is the agent's final
    message if it printed one. `resets_at` is when a usage limit ends, in epoch seconds. `session_id` is the CLI's
    own name for its session, `quota` its last report on its subscription. `lost_session`: the session named by
    `AgentRequest.resume` no longer exists, so nothing was done; start a new one. `idle`: the output says that the
    agent did nothing at all, so an ok verdict needs work to show for it.
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
