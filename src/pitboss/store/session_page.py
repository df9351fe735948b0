"""One session as a screen shows it: its record or what it does now, and the files with what it printed (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.session import SessionRecord
from pitboss.core.timeline import Track, track_of
from pitboss.core.view import Flight
from pitboss.core.words.session_facts import Fact, flight_facts, session_facts
from pitboss.store.session_files import PrintedFile, has_transcript, session_files

if TYPE_CHECKING:
    from datetime import datetime

    from pitboss.core.measures import ClockFace
    from pitboss.store.follow import Snapshot
    from pitboss.store.paths import RunPaths


class SessionPage(msgspec.Struct, frozen=True, kw_only=True):
    """A session of a run: either its `record`, or its `flight` while it has none.

    `landed_before` is the commit that landed last before it, which its diff is against; None if there is none. `track`
    is what events said of it, `files` are what was printed, oldest first.
    """

    run_id: str
    seq: int
    record: SessionRecord | None
    flight: Flight | None
    landed_before: str | None
    track: Track | None
    files: tuple[PrintedFile, ...]

    def facts(self, now: datetime, clock: ClockFace) -> tuple[Fact, ...]:
        """Names and values, in order."""
        if self.record is not None:
            return tuple(session_facts(self.record, clock, kept=has_transcript(self.files)))
        return () if self.flight is None else tuple(flight_facts(self.run_id, self.flight, now, clock))


def session_page(paths: RunPaths, seen: Snapshot, seq: int) -> SessionPage | None:
    """The page of session `seq` of a run watched by a `RunWatch`; None if it has no such session."""
    record, landed_before = None, None
    for each in seen.records:
        if each.seq == seq:
            record = each
            break
        landed_before = each.commit or landed_before
    flight = seen.view.flight(seq)
    if record is None and flight is None:
        return None
    track = seen.tracks.get(seq)
    if record is None and flight is not None:
        track = track_of(flight, track)
    return SessionPage(
        run_id=seen.run_id,
        seq=seq,
        record=record,
        flight=None if record is not None else flight,
        landed_before=landed_before,
        track=track,
        files=session_files(paths, seq),
    )
