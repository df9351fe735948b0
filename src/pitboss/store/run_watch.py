"""Watches one run as long as a screen shows it: each look reads only what is new (SPEC 1.7, 9, 10).

A viewer may begin at any time and stay across a kill and a resume. Where events.jsonl is missing or garbage,
state.json and sessions.jsonl still say what happened; where the run's directory is gone, its backup does.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.budget import BudgetSnapshot
from pitboss.core.events import PhaseChanged, SessionEnded, SessionStarted
from pitboss.core.patterns import lazy_pattern
from pitboss.core.run import spend
from pitboss.core.sighting import OnRecord, first_missing, sighted
from pitboss.core.timeline import tracked
from pitboss.core.view import MOST_RECENT, View, fold
from pitboss.errors import PitbossError
from pitboss.store.catalogue import find_run, live_holder, readable_log
from pitboss.store.event_log import decode_event
from pitboss.store.follow import EventFollower, LogFollower, Snapshot
from pitboss.store.paths import RunPaths
from pitboss.store.stamps import stamp_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pitboss.core.session import SessionRecord
    from pitboss.core.timeline import Track
    from pitboss.store.catalogue import RunListing
    from pitboss.store.lock import LockInfo
    from pitboss.store.stamps import Stamp

_IS_STEP = b'"kind":"step"'
_KIND_WITHIN = 64
"""The kind of an event is within this many bytes from the start of its line."""

_T = rb'^\{"t":(?:"[^"]*"|null),"kind":'
_STEP = lazy_pattern(_T + rb'"step","seq":(\d+),')
_PHASE = lazy_pattern(_T + rb'"phase","seq":(\d+)[,}]')
_RUN = lazy_pattern(_T + rb'"run_(?:started|ended)"[,}]')
_BOUNDARY = lazy_pattern(_T + rb'"(?:session_started","seq":|session_ended","record":\{"seq":)(\d+)[,}]')


class RunWatch:
    """One run, looked at again and again. Not for several threads at once."""

    def __init__(self, repo: Path, run_id: str) -> None:
        """`run_id` may be a unique prefix. Raises RunNotFound, AmbiguousRun."""
        self._repo = repo
        self.run_id = find_run(repo, run_id).run_id
        self._paths = RunPaths(repo, self.run_id)
        self._events = _Events(self._paths)
        self._records = _Records()
        self._state = _State(repo, self._paths)
        self._seen: Snapshot | None = None
        self._live: LockInfo | None = None

    def look(self) -> Snapshot:
        """The run as it is now; the same value as last time if nothing has changed. Never raises.

        Events are read first and the log last: what they tell is then on record already.
        """
        live = live_holder(self._repo, self.run_id)
        news = self._events.look()
        news |= self._state.look()
        news |= self._records.look(readable_log(self._repo, self.run_id))
        if self._seen is None or news or live != self._live:
            self._live = live
            self._seen = self._snapshot()
        return self._seen

    def _snapshot(self) -> Snapshot:
        listing, records = self._state.listing, self._records
        state, live = listing.state, self._live is not None
        found = OnRecord(
            run_id=self.run_id,
            state=state,
            live=live,
            used=records.used,
            cost_known=records.cost_known,
            recent=tuple(records.all[: -MOST_RECENT - 1 : -1]),
            recorded=records.seqs,
            missing=None if live or state is None else first_missing(state.last_session_seq, records.seqs),
        )
        return Snapshot(
            run_id=self.run_id,
            state=state,
            problem=listing.problem or records.problem or found.lost,
            live=self._live,
            in_flight=found.in_flight,
            records=tuple(records.all),
            view=sighted(self._events.view, found),
            tracks=MappingProxyType(dict(self._events.tracks)),
        )


class _Events:
    """The fold of events.jsonl so far."""

    def __init__(self, paths: RunPaths) -> None:
        self.view = View()
        self.tracks: dict[int, Track] = {}
        self._follower = EventFollower(paths)

    def look(self) -> bool:
        """Take in what is new; whether there was anything."""
        before = self.view
        try:
            for line in latest_steps(self._follower.new_lines()):
                self._take(line)
        except PitbossError:
            return self.view is not before  # what cannot be read says nothing
        return self.view is not before

    def _take(self, line: bytes) -> None:
        event = decode_event(line)
        if event is None:
            return
        self.view = fold(self.view, event)
        if isinstance(event, SessionStarted | PhaseChanged | SessionEnded):
            self.tracks[event.seq] = tracked(self.tracks.get(event.seq), event)


class _State:
    """state.json, read again when it has changed."""

    def __init__(self, repo: Path, paths: RunPaths) -> None:
        self._repo = repo
        self._paths = paths
        self._stamp: Stamp | None = None
        self.listing: RunListing = find_run(repo, paths.run_id)

    def look(self) -> bool:
        """Whether it changed; a run without directory or backup keeps what was last read."""
        stamp = stamp_of(self._paths.state)
        if stamp is not None and stamp == self._stamp:
            return False
        self._stamp, before = stamp, self.listing
        try:
            self.listing = find_run(self._repo, self._paths.run_id)
        except PitbossError as error:
            self.listing = msgspec.structs.replace(before, problem=error.message)
        return self.listing != before


class _Records:
    """The records of a log, in file order; all are read again only if the file was replaced or cut."""

    def __init__(self) -> None:
        self._path: Path | None = None
        self._stamp: Stamp | None = None
        self._clear()

    def _clear(self) -> None:
        self.all: list[SessionRecord] = []
        self.seqs: frozenset[int] = frozenset()
        self.used = BudgetSnapshot()
        self.cost_known = True
        self.problem: str | None = None

    def look(self, path: Path) -> bool:
        """Take in what is new in the log at `path`; whether anything changed."""
        stamp = stamp_of(path)
        if path == self._path and stamp == self._stamp:
            return False
        if path != self._path or self._was_replaced(stamp):
            self._path, self._follower = path, LogFollower(path)
            self._clear()
        self._stamp, self.problem = stamp, None
        try:
            self._take(self._follower.new_records())
        except PitbossError as error:
            self.problem = error.message
        return True

    def _was_replaced(self, stamp: tuple[int, ...] | None) -> bool:
        old = self._stamp
        return old is not None and (stamp is None or stamp[:2] != old[:2] or stamp[2] < old[2])

    def _take(self, records: Iterable[SessionRecord]) -> None:
        seqs = set(self.seqs)
        for record in records:
            if record.seq in seqs:
                continue
            seqs.add(record.seq)
            self.all.append(record)
            self.used = spend(self.used, record)
            self.cost_known = self.cost_known and record.cost_known
        self.seqs = frozenset(seqs)


def latest_steps(lines: Iterable[bytes]) -> Iterator[bytes]:
    """`lines` of events.jsonl without steps that later lines make irrelevant: their fold is the same.

    Most lines of a long night are steps of sessions that have ended.
    """
    steps: dict[bytes, bytes] = {}
    for line in lines:
        if _IS_STEP in line[:_KIND_WITHIN] and (step := _STEP.match(line)):
            steps[step[1]] = line
            continue
        if phase := _PHASE.match(line):
            if (step_before := steps.pop(phase[1], None)) is not None:
                yield step_before
        elif boundary := _BOUNDARY.match(line):
            steps.pop(boundary[1], None)
        elif _RUN.match(line):
            steps.clear()  # no session is in flight
        yield line
    yield from steps.values()
