"""The page `/runs/ID`: what a run does and needs, its sessions, the night as lanes (SPEC 10)."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.condition import Condition
from pitboss.core.gauges import gauges_of
from pitboss.core.needs import needs
from pitboss.core.words.endings import word
from pitboss.core.words.run_state import run_words
from pitboss.screens.night_chart import chart
from pitboss.screens.web.showing import clock
from pitboss.store.paths import RunPaths
from pitboss.store.queue import QueueReader
from pitboss.store.situation import situation
from pitboss.store.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Hashable

    from markupsafe import Markup

    from pitboss.core.needs import InGit, Need
    from pitboss.core.run import RunState
    from pitboss.screens.web.feeds import Render
    from pitboss.screens.web.pages import Parts
    from pitboss.screens.web.supplies import Supplies
    from pitboss.store.follow import Snapshot

MOST_SESSIONS = 50
"""How many sessions that have ended the page shows; others have a page of their own."""

_NOTES = 8 * 1024
"""Bytes at the end of the agents' scratchpad that are shown: the newest notes are there."""

_OLD_S = 15.0
"""Seconds after which bars that grow with time are drawn again, though nothing has happened."""


class OneRun:
    """The subject of `/runs/ID`."""

    def __init__(self, supplies: Supplies, run_id: str) -> None:
        self._supplies = supplies
        self._run_id = run_id

    @property
    def key(self) -> Hashable:
        """The run's id."""
        return self._run_id

    def reader(self) -> Render:
        """Watches the run."""
        return _Reader(self._supplies, self._run_id)

    def page(self, version: str, parts: Parts) -> Markup:
        """The page around what the run does."""
        return self._supplies.pages.page(
            "run",
            parts,
            version=version,
            root="../",
            stream=f"{self._run_id}/events",
            crumbs=((self._run_id, None),),
        )


def _moment(seen: Snapshot) -> datetime:
    """Until when time has gone by for the run: now while it is live, else its last change."""
    return datetime.now(UTC) if seen.live or seen.state is None else seen.state.last_updated_at


class _Reader:
    """The parts of a run's page; what has not changed is not rendered again."""

    def __init__(self, supplies: Supplies, run_id: str) -> None:
        self._watch = supplies.watches.watch(run_id)
        self._repo = supplies.repo
        self._desk = supplies.desk
        self._allow_control = supplies.allow_control
        self._queue = QueueReader(supplies.repo)
        self._notes = Transcript(RunPaths(supplies.repo, run_id).scratchpad)
        self._pages = supplies.pages
        self._seen: Snapshot | None = None
        self._parts: Parts = {}
        self._made = 0.0
        self._git: InGit | None = None
        self._git_as_of = (0, 0.0)

    def __call__(self) -> Parts:
        """The parts as of now."""
        seen, coming = self._watch.look(), self._coming()
        if seen is not self._seen or time.monotonic() - self._made > _OLD_S:
            self._parts = self._rendered(seen)
            self._seen, self._made = seen, time.monotonic()
        return {**self._parts, "coming": coming}

    def _rendered(self, seen: Snapshot) -> Parts:
        now = _moment(seen)
        how = seen.condition
        said = run_words(seen.view, how, seen.stop_reason, clock)
        render = self._pages.render
        return {
            "title": f"{'● ' if seen.live else ''}{said.text} - {seen.run_id} - pitboss",
            "head": render(
                "head",
                seen=seen,
                view=seen.view,
                how=how,
                word=word(how),
                said=said,
                now=now,
                gauges=gauges_of(seen.view, now),
            ),
            "needs": render("needs", run_id=seen.run_id, needs=self._needs(seen)),
            "controls": self._controls(seen),
            "flights": render("flights", run_id=seen.run_id, flights=seen.view.in_flight),
            "sessions": self._sessions(seen),
            "lanes": self._lanes(seen, now),
        }

    def _controls(self, seen: Snapshot) -> Markup | str:
        if not self._allow_control:
            return ""
        return self._pages.render(
            "controls",
            run_id=seen.run_id,
            live=seen.live is not None,
            paused=seen.view.paused,
            flights=seen.view.in_flight,
        )

    def _coming(self) -> Markup:
        """Queued tasks, the rotation's next pick, the agents' notes: they change without a word in the run's files."""
        seen = self._watch.look()
        notes = "\n".join(self._notes.last(_NOTES).lines)
        return self._pages.render(
            "coming",
            queue=self._queue.read(),
            standings=() if seen.condition is Condition.COMPLETED else seen.standings,
            next_pick=seen.view.next_pick,
            notes=notes,
        )

    def _needs(self, seen: Snapshot) -> tuple[Need, ...]:
        """What needs a person. Git is asked only if it may know better: it costs a process."""
        asks = situation(self._repo, seen, None)
        worth_asking = seen.state is not None and (asks.records or seen.live is None)
        git = self._in_git(seen.state, len(seen.records)) if worth_asking and seen.state is not None else None
        return needs(msgspec.structs.replace(asks, git=git))

    def _in_git(self, state: RunState, records: int) -> InGit:
        """What git knows, asked again once a session has ended, and after a while."""
        records_then, then = self._git_as_of
        if self._git is None or records != records_then or time.monotonic() - then > _OLD_S:
            self._git, self._git_as_of = self._desk().in_git(state), (records, time.monotonic())
        return self._git

    def _sessions(self, seen: Snapshot) -> Markup:
        return self._pages.render(
            "sessions",
            link=f"{seen.run_id}/sessions",
            still=False,
            records=seen.records[: -MOST_SESSIONS - 1 : -1],
            total=len(seen.records),
            tracks=seen.tracks,
        )

    def _lanes(self, seen: Snapshot, now: datetime) -> Markup:
        return self._pages.render("lanes", run_id=seen.run_id, chart=chart(seen, now))
