"""What runner and worker decide about an attempt at a session, so that it is begun once and lands once (SPEC 14).

An attempt is leased, asked for, begun; then its result is pushed and lands, or it is lost and what there is of it is
rescued. Messages may arrive late, twice or never, and either side may die at any moment: each decides by what is
durable on its own disk. `docs/explain/workers.md` draws the transitions.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class Lease(msgspec.Struct, frozen=True):
    """The one attempt at a session that may land, and the worker that may make it."""

    attempt: int
    worker: str


class Stage(StrEnum):
    """How far a worker has come with an attempt, by its own durable notes."""

    BEGUN = "begun"
    """Its agent may have started; whether it still runs, the notes do not say."""
    RESULT = "result"
    """It ended well, and its commit is here until the runner has it."""
    PARTIAL = "partial"
    """It was cut short, and what it left is here until the runner has it."""
    OVER = "over"
    """The runner has all there is."""


class Answer(StrEnum):
    """What a worker does when it is asked for an attempt."""

    BEGIN = "begin"
    RETURN = "return"
    """Return the result that is there: nothing runs again."""
    LOST = "lost"
    """Say that the attempt will not come to anything, and deliver what is left of it."""


class Closing(StrEnum):
    """How a session ends whose worker is no longer there, or whose runner died."""

    LAND = "land"
    """Its result is here: take it home."""
    ABORT = "abort"
    """Record it as aborted; a new session takes the prompt's turn."""


def answer(stage: Stage | None) -> Answer:
    """What to do when asked for an attempt; `stage` is None if it was never begun here (SPEC 14).

    An attempt that is noted as begun is never begun again, also if its agent never started: only the note is certain.
    """
    if stage is None:
        return Answer.BEGIN
    return Answer.RETURN if stage is Stage.RESULT else Answer.LOST


def closing(held: Lease | None, results: Sequence[Lease]) -> Closing:
    """How to close a session whose worker was lost or whose runner died; `results` are those pushed whole."""
    return Closing.LAND if held is not None and held in results else Closing.ABORT


def is_lost(silent_s: float, lost_after_s: float) -> bool:
    """Whether the other side counts as lost. Both sides ask this, each by its own clock that is never set."""
    return silent_s >= lost_after_s
