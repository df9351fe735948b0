"""How many sessions of a prompt in a row have landed nothing, in the order of their numbers (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.session import SessionStatus

if TYPE_CHECKING:
    from pitboss.core.session import SessionRecord

Streaks = dict[str, int]
"""How many sessions in a row have landed nothing, by prompt; a prompt whose last session landed has no entry."""


def streaks_after(streaks: Streaks, record: SessionRecord) -> Streaks:
    """`streaks` after one more record.

    Sessions that were aborted or skipped, outages, second turns and queued tasks do not count.
    """
    if not _counts(record):
        return streaks
    others = {name: streak for name, streak in streaks.items() if name != record.prompt}
    if record.commit is not None:
        return others
    return {**others, record.prompt: streaks.get(record.prompt, 0) + 1}


def _counts(record: SessionRecord) -> bool:
    ended = record.status not in (SessionStatus.ABORTED, SessionStatus.SKIPPED)
    return ended and not record.is_outage and not record.is_no_turn
