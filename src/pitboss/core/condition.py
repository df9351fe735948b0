"""The condition of a run, as people ask about it: what state.json says, and whether its process is alive (SPEC 8)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pitboss.core.stops import RunStatus

if TYPE_CHECKING:
    from pitboss.core.run import RunState


class Condition(StrEnum):
    """The condition of a run, judged by its state.json and by whether its process is alive."""

    LIVE = "live"
    CRASHED = "crashed"
    COMPLETED = "completed"
    ABORTED = "aborted"
    FAILED = "failed"
    UNREADABLE = "unreadable"


def condition(state: RunState | None, *, live: bool) -> Condition:
    """The condition of a run; `active` without a holder of the lock means that its processes died."""
    if live:
        return Condition.LIVE
    if state is None:
        return Condition.UNREADABLE
    return Condition.CRASHED if state.status is RunStatus.ACTIVE else Condition(state.status)
