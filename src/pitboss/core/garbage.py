"""Which runs may lose the files that only help to look at them, and which of their refs may go (SPEC 11). Pure."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.condition import Condition, condition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from pitboss.core.run import RunState

RESUMABLE_DAYS = 30
"""How old a run that can be resumed has to be, unless it is named or another age is given."""


class RunFate(StrEnum):
    """What `gc` does with a run."""

    TIDY = "tidy"
    LIVE = "live"
    BROKEN = "broken"
    """It has to be repaired first."""
    RESUMABLE = "resumable"
    """It can go on, and is too young to be given up."""
    YOUNG = "young"


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for: an age, if any, and runs by their ids; none means all."""

    older_than: timedelta | None = None
    named: frozenset[str] = frozenset()


def fate(run_id: str, state: RunState | None, wish: Wish, *, live: bool, now: datetime) -> RunFate:
    """What to do with a run, by its state; `state` is None if it cannot be read."""
    how = condition(state, live=live)
    if how is Condition.LIVE:
        return RunFate.LIVE
    if state is None or how is Condition.CRASHED or state.in_flight or state.unrescued:
        return RunFate.BROKEN
    if run_id in wish.named:
        return RunFate.TIDY
    resumable = how is not Condition.COMPLETED
    least = wish.older_than or (timedelta(days=RESUMABLE_DAYS) if resumable else timedelta())
    if wish.older_than == timedelta() or now - state.last_updated_at >= least:
        return RunFate.TIDY
    return RunFate.RESUMABLE if resumable else RunFate.YOUNG


def is_young(state: RunState, now: datetime) -> bool:
    """Whether people may still want to look at what a run printed."""
    return now - state.last_updated_at < timedelta(days=RESUMABLE_DAYS)


def dispensable(
    refs: Iterable[str], others: Iterable[str], is_within: Callable[[str, list[str]], bool], *, named: bool
) -> list[str]:
    """Those of a run's `refs` that can be deleted without losing a commit; all of them if the run is `named`.

    `others` are the refs that stay. `is_within(ref, refs)` says whether one of the refs contains all of `ref`. A ref
    that stays keeps what the ones after it hold, so put the run branch first.
    """
    if named:
        return list(refs)
    staying = list(others)
    gone: list[str] = []
    for ref in refs:
        (gone if is_within(ref, staying) else staying).append(ref)
    return gone
