"""How good or bad something is, as every screen colors it: a screen only decides which colors these are (SPEC 10)."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from pitboss.core.condition import Condition
from pitboss.core.session import SessionStatus

if TYPE_CHECKING:
    from collections.abc import Mapping


class Tone(StrEnum):
    """What a color means."""

    OK = "ok"
    ACTIVE = "active"
    WARN = "warn"
    BAD = "bad"
    QUIET = "quiet"


SESSION_TONES: Mapping[SessionStatus, Tone] = {
    SessionStatus.OK: Tone.OK,
    SessionStatus.DIRTY: Tone.WARN,
    SessionStatus.ERROR: Tone.BAD,
    SessionStatus.TIMEOUT: Tone.BAD,
    SessionStatus.ABORTED: Tone.WARN,
    SessionStatus.SKIPPED: Tone.WARN,
}
"""The tone of each way a session can end, in the order in which screens list them."""

CONDITION_TONES: Mapping[Condition, Tone] = {
    Condition.LIVE: Tone.ACTIVE,
    Condition.COMPLETED: Tone.OK,
    Condition.ABORTED: Tone.WARN,
    Condition.CRASHED: Tone.BAD,
    Condition.FAILED: Tone.BAD,
    Condition.UNREADABLE: Tone.BAD,
}
"""The tone of each condition of a run, in the order in which screens list them."""
