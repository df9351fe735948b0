"""What a live run tells its display, one frozen value for each thing that happened (SPEC 8: progress).

The engine emits these and knows nothing of screens; `cli.progress` turns them into lines. Events of
one session arrive in order; with parallel sessions those of different sessions interleave.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from enum import StrEnum

import msgspec

from pitboss.core.agent import AgentEvent
from pitboss.core.budget import Caps
from pitboss.core.run import RunState, StopReason
from pitboss.core.session import InFlight, SessionRecord


class Phase(StrEnum):
    """Where a session is between being picked and being recorded (SPEC 6)."""

    HOOK = "hook"
    AGENT = "agent"
    VERIFY = "verify"
    FIX = "fix"
    WAIT = "wait"
    LAND = "land"


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """The loop is about to begin; `run` may hold records already when it was resumed."""

    run: RunState
    caps: Caps = Caps()
    next_pick: str | None = None


class Resumed(msgspec.Struct, frozen=True, kw_only=True):
    """An earlier run goes on; `text` is one sentence, one event for each thing that was repaired."""

    text: str


class SessionStarted(msgspec.Struct, frozen=True, kw_only=True):
    """A session was dispatched and is durably in flight; `next_pick` is what comes after it, if anything."""

    session: InFlight
    agent: str | None = None
    model: str | None = None
    next_pick: str | None = None


class PhaseChanged(msgspec.Struct, frozen=True, kw_only=True):
    """Session `seq` entered `phase`; `detail` names the command or the attempt where that helps.

    `until` is when a wait ends unless somebody stops it.
    """

    seq: int
    phase: Phase
    detail: str = ""
    until: datetime | None = None


class AgentStep(msgspec.Struct, frozen=True, kw_only=True):
    """The agent of session `seq` did something worth showing."""

    seq: int
    event: AgentEvent


class SessionEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A session has its record; `run` is the run after it and `next_pick` what comes next, if anything."""

    record: SessionRecord
    run: RunState
    next_pick: str | None = None


class Warned(msgspec.Struct, frozen=True, kw_only=True):
    """Something a person should know that stops nothing: a budget at 80 %, an unknown price."""

    text: str


class Draining(msgspec.Struct, frozen=True, kw_only=True):
    """No new session will start; `in_flight` are the seqs that may still finish."""

    in_flight: tuple[int, ...] = ()


class RunEnded(msgspec.Struct, frozen=True, kw_only=True):
    """The run is over: why, in which words, and with which exit code (SPEC 5).

    `checkout` is what is checked out now: a branch, or a commit in short; None where the run left that alone.
    """

    run: RunState
    stop_reason: StopReason
    message: str
    exit_code: int
    checkout: str | None = None


RunEvent = (
    RunStarted
    | Resumed
    | SessionStarted
    | PhaseChanged
    | AgentStep
    | SessionEnded
    | Warned
    | Draining
    | RunEnded
)

Observer = Callable[[RunEvent], None]
"""What the engine calls with each event; it may be called from several threads at once."""
