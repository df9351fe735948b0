"""What happens in a run, as frozen values; events.jsonl holds the same (SPEC 9).

The engine emits these and knows nothing of screens; `core.view` folds them into what a screen shows. Events of one
session come in order; those of parallel sessions interleave. Every field added later has a default,
because lines written by an older version lack it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeVar

import msgspec

from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.budget import BudgetSnapshot, Caps
from pitboss.core.diff_stat import DiffStat
from pitboss.core.embed import one_line
from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.session import SessionRecord
from pitboss.core.stops import RunStatus, StopBy, StopReason
from pitboss.core.usage import RoleTokens, Usage

STEP_TEXT = 500
"""Characters of a step's text that are worth showing."""


class Phase(StrEnum):
    """Where a session is between being picked and being recorded (SPEC 6)."""

    HOOK = "hook"
    AGENT = "agent"
    VERIFY = "verify"
    FIX = "fix"
    WAIT = "wait"
    LAND = "land"


SET_UP = "setup"
"""The detail of a HOOK that is the set-up of a working copy; others are named as in [grind.hooks]."""


class StepKind(StrEnum):
    """What a step is: the agent's words, a tool call, a repeated request."""

    TEXT = "text"
    TOOL = "tool"
    RETRY = "retry"


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """What all events share: when they happened, in UTC; the bus fills it in."""

    t: datetime | None = None


class PromptFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt of the run, overrides applied, with the agent and model that its sessions start with."""

    name: str
    weight: int = 1
    every: int = 1
    max_runs: int | None = None
    parallel_safe: bool = False
    verify: bool = False
    agent: str | None = None
    model: str | None = None


class RunStarted(Event, frozen=True, kw_only=True, tag="run_started"):
    """The loop is about to begin; a `resumed` run has already `used` this much and has had `last_seq` sessions.

    `started_at` is when the run first began.
    """

    run_id: str
    branch: str
    base_commit: str | None = None
    rotation: str = ""
    prompts: tuple[PromptFacts, ...] = ()
    caps: Caps = Caps()
    mode: str = ""
    max_parallel: int = 1
    pid: int | None = None
    host: str | None = None
    resumed: bool = False
    version: str = ""
    used: BudgetSnapshot = BudgetSnapshot()
    cost_known: bool = True
    last_seq: int = 0
    next_pick: str | None = None
    started_at: datetime | None = None


class Repaired(Event, frozen=True, kw_only=True, tag="repaired"):
    """A resumed run was repaired: one event for each repair, with a sentence in `text`."""

    text: str


class SessionStarted(Event, frozen=True, kw_only=True, tag="session_started"):
    """A session was dispatched and is durably in flight; `slot` names its working copy, if it has one of its own.

    `queued` is the id of its task, if that came from the queue. `next_pick` is the prompt or task that comes after it.
    """

    seq: int
    prompt: str
    agent: str | None = None
    model: str | None = None
    slot: str | None = None
    host: str | None = None
    retry_of: int | None = None
    queued: str | None = None
    next_pick: str | None = None


class PhaseChanged(Event, frozen=True, kw_only=True, tag="phase"):
    """Session `seq` entered `phase`; `detail` names the command or the attempt where that helps.

    `until` is when a wait ends unless it is stopped; `attempt` counts from 1 where there may be several.
    """

    seq: int
    phase: Phase
    detail: str = ""
    until: datetime | None = None
    attempt: int | None = None


class Step(Event, frozen=True, kw_only=True, tag="step"):
    """The agent of session `seq` did something; tokens and US dollars are what the session has used by then."""

    seq: int
    what: StepKind | None = None
    text: str = ""
    tokens: RoleTokens = RoleTokens()
    cost_usd: float = 0.0
    cost_known: bool = True


class QuotaSeen(Event, frozen=True, kw_only=True, tag="quota"):
    """What an agent reports about its subscription's windows."""

    agent: str
    five_hour: QuotaWindow | None = None
    seven_day: QuotaWindow | None = None
    other: QuotaWindow | None = None


class SessionEnded(Event, frozen=True, kw_only=True, tag="session_ended"):
    """A session has its record, the same as in the log; `next_pick` is the prompt that comes next, if any.

    `diff` is how much of a change landed, if known.
    """

    record: SessionRecord
    next_pick: str | None = None
    diff: DiffStat | None = None

    @property
    def seq(self) -> int:
        """The session that the record is about."""
        return self.record.seq


class Warned(Event, frozen=True, kw_only=True, tag="warned"):
    """Something a person should know, though it stops nothing: a budget at 80 %, an unknown price.

    `request` is the id of a request that was refused, if the warning is about one.
    """

    text: str
    request: str = ""


class WorkersAwaited(Event, frozen=True, kw_only=True, tag="workers_awaited"):
    """No worker can take a session, and `why`; empty once one can. `long`: that has lasted a minute (SPEC 14)."""

    why: str = ""
    long: bool = False


class Paused(Event, frozen=True, kw_only=True, tag="paused"):
    """No new session starts until the run is unpaused; those in flight finish.

    Of this event and the next ones, `by` is the command that asked for it, and `request` the id of its request.
    """

    by: str = ""
    request: str = ""


class Unpaused(Event, frozen=True, kw_only=True, tag="unpaused"):
    """Sessions start again."""

    by: str = ""
    request: str = ""


class CapsChanged(Event, frozen=True, kw_only=True, tag="caps"):
    """From now on these are all the caps of the run."""

    caps: Caps
    by: str = ""
    request: str = ""


class Skipping(Event, frozen=True, kw_only=True, tag="skipping"):
    """The sessions `seqs` are being stopped on request; none, if those it asked about had ended."""

    seqs: tuple[int, ...] = ()
    request: str = ""


class Draining(Event, frozen=True, kw_only=True, tag="draining"):
    """No new session will start; `in_flight` are the seqs that may still finish.

    `request` is the id of the request that it answers, if any; the same of an abort.
    """

    by: StopBy = StopBy.SIGNAL
    in_flight: tuple[int, ...] = ()
    request: str = ""


class Aborting(Event, frozen=True, kw_only=True, tag="aborting"):
    """The sessions in flight are being stopped."""

    by: StopBy = StopBy.SIGNAL
    request: str = ""


class RunEnded(Event, frozen=True, kw_only=True, tag="run_ended"):
    """The run is over: why, in words, and with which exit code (SPEC 5).

    `checkout` is what is checked out now: a branch, or a short commit id; None where the run did not touch it.
    `resume` is the command that continues the run, if there is one. `used` sums up all records.
    """

    run_id: str
    branch: str
    status: RunStatus
    stop_reason: StopReason
    message: str
    exit_code: int
    used: BudgetSnapshot = BudgetSnapshot()
    cost_known: bool = True
    checkout: str | None = None
    resume: str | None = None


RunEvent = (
    RunStarted
    | Repaired
    | SessionStarted
    | PhaseChanged
    | Step
    | QuotaSeen
    | SessionEnded
    | Warned
    | WorkersAwaited
    | Paused
    | Unpaused
    | CapsChanged
    | Skipping
    | Draining
    | Aborting
    | RunEnded
)


class AgentStep(msgspec.Struct, frozen=True, kw_only=True):
    """A step as the agent of session `seq` reports it; `shown` composes its text on demand, as most are never shown.

    `used` is what the session has used so far, if the agent says.
    """

    seq: int
    event: AgentEvent
    used: Usage | None = None

    @property
    def is_retry(self) -> bool:
        """Whether the agent repeats a request: each repeat is worth a line."""
        return self.event.kind is EventKind.RETRY

    def then(self, step: AgentStep) -> AgentStep:
        """This step and the next as one: the latest words, and the latest known usage."""
        event = step.event if step.event.text else self.event
        return AgentStep(seq=self.seq, event=event, used=step.used or self.used)

    def shown(self, before: Step) -> Step:
        """The step as an event; what it does not say is taken from `before`."""
        step, words = before, _STEPS.get(self.event.kind) if self.event.text.strip() else None
        if words is not None:
            step = msgspec.structs.replace(step, what=words, text=one_line(self.event.text, STEP_TEXT))
        if self.used is None:
            return step
        return msgspec.structs.replace(
            step,
            tokens=RoleTokens(input=self.used.input, output=self.used.output),
            cost_usd=self.used.cost_usd,
            cost_known=self.used.cost_known,
        )


_STEPS = {EventKind.TEXT: StepKind.TEXT, EventKind.TOOL: StepKind.TOOL, EventKind.RETRY: StepKind.RETRY}

_Waiting = TypeVar("_Waiting")


class Outlet(Protocol[_Waiting]):
    """Something that shows the events of a run; one thread calls it, in order.

    `patience_s` is how many seconds it may take after the end of a run.
    """

    patience_s: float

    def waits_as(self, event: RunEvent, /) -> _Waiting | None:
        """What to keep of an event until it is shown; None to skip it. Must be quick: the engine waits for it."""

    def __call__(self, waiting: _Waiting, /) -> None:
        """Show one event. Not called again after an exception; BrokenPipeError means that the reader is gone."""

    def hurry(self) -> None:
        """The run is over: show what is left, and end. Called by another thread."""


Observer = Callable[[RunEvent | AgentStep], None]
"""What the engine calls with each event; it may be called from several threads at once, and never waits."""


def quota_seen(agent: str, quota: Quota) -> QuotaSeen:
    """What `agent` reported about its subscription, as an event."""
    return QuotaSeen(agent=agent, five_hour=quota.five_hour, seven_day=quota.seven_day, other=quota.other)
