"""Every word for stopping: how urgently, who asked, why, and what becomes of the run (SPEC 5).

a run      StopLevel, how urgently it is asked to end    StopBy, who asked    StopReason, why it ended
           Ending, a reason in a sentence                RunStatus, what state.json says afterwards
a command  StopRequest, why it must end before it has finished
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

import msgspec


class StopLevel(IntEnum):
    """How urgently the run is asked to stop (SPEC 5)."""

    NONE = 0
    DRAIN = 1
    ABORT = 2


class StopBy(StrEnum):
    """Who asked a run to end."""

    SIGNAL = "signal"
    REQUEST = "request"
    PITBOSS = "pitboss"


class RunStatus(StrEnum):
    """The life of a run as state.json writes it."""

    ACTIVE = "active"
    COMPLETED = "completed"
    ABORTED = "aborted"
    FAILED = "failed"

    @property
    def is_resumable(self) -> bool:
        """Only an active (crashed) or aborted (stopped) run can continue."""
        return self in (RunStatus.ACTIVE, RunStatus.ABORTED)


class StopReason(StrEnum):
    """Why a run stopped; each has its exit code and final status in SPEC 5."""

    EXHAUSTED = "exhausted"
    DRAINED = "drained"
    ABORTED = "aborted"
    BUDGET = "budget"
    FAILURES = "consecutive-failures"
    DEAD_END = "dead-end"
    INTERNAL = "internal-error"

    @property
    def final_status(self) -> RunStatus:
        """What state.json says after such a stop."""
        match self:
            case StopReason.EXHAUSTED:
                return RunStatus.COMPLETED
            case StopReason.INTERNAL:
                return RunStatus.FAILED
            case _:
                return RunStatus.ABORTED

    def exit_code(self, *, any_failed: bool) -> int:
        """The exit code of `grind`; `any_failed`: some session ended in error or timeout."""
        match self:
            case StopReason.EXHAUSTED | StopReason.DRAINED:
                return 1 if any_failed else 0
            case StopReason.ABORTED:
                return 2
            case StopReason.BUDGET:
                return 3
            case StopReason.FAILURES | StopReason.DEAD_END:
                return 5
            case _:
                return 70


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """Why no more sessions start, in a word and in a sentence."""

    reason: StopReason
    message: str


class StopRequest(StrEnum):
    """Why a running command must end before it has finished."""

    SKIP = "skip"
    ABORT = "abort"
    COST_CAP = "cost_cap"
    RUN_CAP = "run_cap"
    STALLED = "stalled"
    DONE = "done"
    HOPELESS = "hopeless"
