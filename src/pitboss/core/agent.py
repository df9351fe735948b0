"""What the engine asks of an agent and what comes back, whatever program the agent is (SPEC 6)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import msgspec

from pitboss.core.quota import Quota
from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.sandbox.fence import Fence  # noqa: TC004 - requests stay in their process: nothing encodes them
    from pitboss.core.stops import StopRequest


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """An agent's own session that a later attempt can continue (SPEC 6).

    `usage` is what earlier attempts of that session were billed: a CLI that reports totals for the whole session
    includes it.
    """

    session_id: str
    usage: Usage = Usage()


class AgentWork(msgspec.Struct, frozen=True, kw_only=True):
    """What to do in one start of an agent, and how much it may use.

    `body` is the prompt file's body alone (the `shell` backend runs its blocks); `text` is the whole composed
    prompt. `max_seconds` limits the wall clock, `idle_seconds` the time without progress (None: the backend's
    setting); `max_cost_usd` is enforced while the agent runs; `live_usage` says that a cap depends on usage reported
    during the run. `run_left_usd` is what a hard budget of the run leaves as the agent starts, for a CLI that can be
    told: the run itself holds its sessions to that budget, which people may change meanwhile. `resume` asks a
    `resumable` backend to continue an earlier attempt.
    """

    prompt_name: str
    text: str
    body: str
    model: str | None = None
    max_seconds: float = 1800.0
    idle_seconds: float | None = None
    max_cost_usd: float | None = None
    run_left_usd: float | None = None
    live_usage: bool = False
    resume: Resume | None = None


class AgentOrder(AgentWork, frozen=True, kw_only=True):
    """What a host is asked for: which `agent` does the work, and which `kind` of transcript it writes.

    It names no file and no folder, so it means the same on every machine.
    """

    agent: str
    kind: str = ""


class AgentRequest(AgentWork, frozen=True, kw_only=True):
    """What an agent is asked for: the work, where on its machine to do it, and in what sandbox. Paths are absolute."""

    cwd: str
    env: dict[str, str]
    transcript: str
    usage_file: str
    fence: Fence | None = None


class EventKind(StrEnum):
    """What a running agent just did, in as much detail as a progress display needs."""

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
    agent did nothing at all, so an ok verdict needs some work to back it up. `warning`: what people should know about
    how it reports. `missing`: its program was not there, or not whole, as while somebody updates it.
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
    warning: str | None = None
    missing: bool = False


class Agent(Protocol):
    """A coding agent: one request, one outcome (SPEC 6).

    `agents.driver` runs real ones, `agents.scripted` plays one; `tests/contracts/test_agent_port.py` tests both.
    """

    name: str

    @property
    def resumable(self) -> bool:
        """Whether the agent can resume its own sessions."""
        ...

    def run(
        self,
        request: AgentRequest,
        *,
        on_start: Callable[[int, int | None], None],
        on_event: Callable[[AgentEvent], None],
        stop: Callable[[], StopRequest | None],
    ) -> AgentOutcome:
        """Run the agent to its end; however it ends, the result is an outcome.

        `on_start` is called with the pid and its start time before any event, unless the agent could not be started.
        If a CLI rejects its command line and is started again with an older one, the second call counts. `stop` is
        polled while the agent runs. Raises StorageError when the transcript cannot be written, and whatever a callback
        raises; the agent has been ended by then.
        """
        ...

    def bill(self, request: AgentRequest, *, started: bool = False) -> AgentOutcome:
        """Judge an agent whose runner died, from its transcript alone: aborted, with the usage that `run` would report.

        `started` says that its process was seen: if there is no transcript, its cost is unknown rather than zero.
        """
        ...
