"""The page `/`: every run of the repository, the live one first (SPEC 10)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.budget import Caps
from pitboss.core.condition import Condition
from pitboss.core.gauges import Used, gauge_words, gauges
from pitboss.core.tone import CONDITION_TONES, Tone
from pitboss.core.words.endings import why, word
from pitboss.screens.web.showing import clock
from pitboss.store.run_list import RunList

if TYPE_CHECKING:
    from collections.abc import Hashable

    from markupsafe import Markup

    from pitboss.core.run import RunState
    from pitboss.screens.web.feeds import Render
    from pitboss.screens.web.pages import Parts
    from pitboss.screens.web.supplies import Supplies
    from pitboss.store.catalogue import RunListing
    from pitboss.store.run_list import RunsSeen


class RunRow(msgspec.Struct, frozen=True, kw_only=True):
    """A run as a line of the list shows it."""

    run_id: str
    word: str
    tone: Tone
    live: bool
    rotation: str
    amounts: str
    why: str
    updated: datetime | None


class AllRuns:
    """The subject of `/`."""

    key: Hashable = "all runs"

    def __init__(self, supplies: Supplies) -> None:
        self._repo = supplies.repo
        self._pages = supplies.pages

    def reader(self) -> Render:
        """Reads the state of each run, again only when it has changed."""
        listed = RunList(self._repo)
        return lambda: self._parts(listed.look())

    def page(self, version: str, parts: Parts) -> Markup:
        """The page around the list."""
        return self._pages.page("index", parts, version=version, root="", stream="events", crumbs=())

    def _parts(self, seen: RunsSeen) -> Parts:
        rows = [_row(run, seen.condition_of(run)) for run in seen.runs]
        live = sum(row.live for row in rows)
        return {
            "title": f"{'● ' if live else ''}{self._repo.name} - pitboss",
            "runs": self._pages.render("runs", runs=rows),
        }


def _row(run: RunListing, how: Condition) -> RunRow:
    state, live = run.state, how is Condition.LIVE
    ended_because = state.stop_reason if state is not None and not live else None
    return RunRow(
        run_id=run.run_id,
        word=word(how),
        tone=CONDITION_TONES[how],
        live=live,
        rotation=state.plan_name if state is not None else "",
        amounts=_amounts(state) if state is not None else "",
        why=run.problem or why(ended_because, clock),
        updated=state.last_updated_at if state is not None else None,
    )


def _amounts(state: RunState) -> str:
    started = max((session.seq for session in state.in_flight), default=0)
    used = Used.by(state.budget_consumed, cost_known=state.cost_known, started=started)
    begun, now = state.started_at, state.last_updated_at
    told = gauges(state.caps or Caps(), used, started_at=begun, now=now)
    return " · ".join(gauge_words(gauge, clock) for gauge in told if not gauge.says_nothing)
