"""One run: its state, what needs somebody, what is in flight, how sessions ended, its night, what is next (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.containers import Horizontal, Vertical

from pitboss.core.gauges import Used, gauges
from pitboss.core.timeline import lanes
from pitboss.core.words.run_state import run_words
from pitboss.screens.tui import rows, top
from pitboss.screens.tui.coming import note_rows, queue_rows
from pitboss.screens.tui.layout import is_roomy, shares
from pitboss.screens.tui.live_screen import LiveScreen
from pitboss.screens.tui.night import night
from pitboss.screens.tui.pager import Pager
from pitboss.screens.tui.table import RowTable
from pitboss.screens.tui.titles import FRAME, page_titles, title
from pitboss.screens.tui.wishes import OpenSession, RowChosen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.app import ComposeResult

    from pitboss.core.measures import ClockFace
    from pitboss.core.session import SessionRecord
    from pitboss.core.view import Flight
    from pitboss.screens.tui.pieces import Piece
    from pitboss.screens.tui.rows import NeedLine
    from pitboss.screens.tui.run_reader import RunReader
    from pitboss.store.follow import Snapshot

PAGES = ("landed", "missed", "lanes", "queue", "notes")
"""The parts that take turns where there is no room for all, in the order of `tab`."""
PARTS = ("needs", "flights", *PAGES)
_ONE_LINE_EACH = 120
_IDLE = "nothing is in flight right now"
_NONE_YET = {
    "landed": "nothing has landed yet; what lands is on the run's branch, newest first here",
    "missed": "everything that ended has landed",
}
_IN_RIGHT_COLUMN = ("lanes", "queue", "notes")


class RunScreen(LiveScreen):
    """A run, live or at rest."""

    AUTO_FOCUS = "#landed"

    def __init__(self, reader: RunReader, clock: ClockFace) -> None:
        super().__init__()
        self.reader: RunReader = reader
        self._clock = clock
        self._now: datetime | None = None
        self._filled: Snapshot | None = None
        self._page = "landed"
        self._narrow = True
        self._flights: RowTable[Flight] = RowTable(
            rows.FLIGHTS, self._flight_cells, lambda each: each.seq, empty=_IDLE, id="flights"
        )
        self._landed: RowTable[SessionRecord] = self._sessions("landed")
        self._missed: RowTable[SessionRecord] = self._sessions("missed")
        self._needs: RowTable[NeedLine] = RowTable(
            rows.NEEDS, self._need_cells, lambda each: each, id="needs"
        )
        self._queue = Pager(id="queue")
        self._lanes, self._notes = Pager(id="lanes"), Pager(id="notes")
        for name in (
            self._needs,
            self._flights,
            self._landed,
            self._missed,
            self._lanes,
            self._queue,
            self._notes,
        ):
            name.add_class("part")

    def _sessions(self, name: str) -> RowTable[SessionRecord]:
        return RowTable(
            rows.SESSIONS, self._session_cells, lambda record: record.seq, empty=_NONE_YET[name], id=name
        )

    def body(self) -> ComposeResult:
        """The parts, in two columns where there is room."""
        with Horizontal(id="body"):
            with Vertical(id="now"):
                yield self._needs
                yield self._flights
                yield self._landed
                yield self._missed
            with Vertical(id="more"):
                yield self._lanes
                yield self._queue
                yield self._notes

    @property
    def hints(self) -> Sequence[str]:
        """What one does here."""
        if self.reader.live:
            return (
                "part",
                "open",
                "diff",
                "transcript",
                "pause",
                "stop",
                "task",
                "filter",
                "skip",
                "cap",
                "back",
            )
        return ("part", "open", "diff", "transcript", "apply", "filter", "back", "task")

    def look(self) -> bool:
        """Read what the run has written since the last look."""
        return self.reader.look()

    def draw(self, now: datetime) -> None:
        """Show the run as it was at the last look."""
        self._now = now
        seen = self.reader.seen
        if seen is None:
            return
        self.show_top(self._top(seen, now))
        self._arrange()
        self._fill(seen, now)
        self._arrange()

    def _top(self, seen: Snapshot, now: datetime) -> list[list[Piece]]:
        width, view = self.size.width, seen.view
        said = run_words(view, seen.condition, seen.stop_reason, self._clock)
        used = gauges(view.caps, Used.seen(view), started_at=view.started_at or now, now=now)
        return [
            top.headline(said, seen.condition, seen.run_id, width),
            *top.gauge_lines(used, self._clock, width, live=self.reader.live),
            *top.quota_lines(view.quota, self._clock, now, width),
        ]

    def _fill(self, seen: Snapshot, now: datetime) -> None:
        needs = self.reader.needs
        apart = is_roomy(*self.size) or rows.has_long_command(needs)
        self._narrow = self.size.width < _ONE_LINE_EACH or apart
        self._needs.use(rows.NARROW_NEEDS if self._narrow else rows.NEEDS)
        self._needs.show(rows.need_lines(needs, narrow=self._narrow))
        self._flights.show(seen.view.in_flight)
        if seen is not self._filled:
            self._filled, records = seen, seen.records[::-1]
            self._landed.show([record for record in records if record.commit is not None])
            self._missed.show([record for record in records if record.commit is None])
        self._queue.show(queue_rows(self.reader.queue, self.reader.standings, now))
        self._notes.show(note_rows(self.reader.notes), follows=True)
        if self._lanes.display:
            drawn = lanes(seen.records, seen.view.in_flight, seen.tracks)
            self._lanes.draw(lambda width: night(drawn, now, self._clock, width))

    def _need_cells(self, line: NeedLine) -> Sequence[Piece]:
        return rows.need_cells(line, narrow=self._narrow)

    def _flight_cells(self, flight: Flight) -> Sequence[Piece]:
        return [] if self._now is None else rows.flight_cells(flight, self._now, self._clock)

    def _session_cells(self, record: SessionRecord) -> Sequence[Piece]:
        seen = self.reader.seen
        track = None if seen is None else seen.tracks.get(record.seq)
        return rows.session_cells(record, None if track is None else track.diff)

    def _arrange(self) -> None:
        """Share the room among the parts."""
        width, height = self.size
        roomy, live = is_roomy(width, height), self.reader.live
        self.set_class(roomy, "-roomy")
        share = shares(height, needs=len(self._needs.items), flights=len(self._flights.items), live=live)
        for table, height_ in ((self._needs, share.needs), (self._flights, share.flights)):
            table.display = height_ > 0
            table.styles.height = height_
        for name in PAGES:
            self.query_one(f"#{name}").display = roomy or name == self._page
        self.query_one("#now").styles.height = (
            "1fr" if roomy or self._page not in _IN_RIGHT_COLUMN else "auto"
        )
        self.query_one("#more").display = roomy or self._page in _IN_RIGHT_COLUMN
        self._entitle(roomy=roomy)

    def _entitle(self, *, roomy: bool) -> None:
        tables = (self._flights, self._landed, self._missed)
        counts: dict[str, int | None] = {table.id or "": len(table.items) for table in tables}
        counts["needs"] = len(self.reader.needs)
        for name in PARTS:
            whole = {page: counts.get(page) for page in PAGES}
            alone = roomy or name not in PAGES
            words = (
                title(name, counts.get(name)) if alone else page_titles(whole, name, self.size.width - FRAME)
            )
            self.query_one(f"#{name}").border_title = words

    @property
    def _seq(self) -> int | None:
        """The session that the cursor is on."""
        table = self.focused
        return _seq_of(table.item) if isinstance(table, RowTable) else None

    @property
    def seq_in_flight(self) -> int | None:
        """See `LiveScreen`; where only one is in flight, that one."""
        flights = [flight.seq for flight in self._flights.items]
        if self._seq in flights:
            return self._seq
        return flights[0] if len(flights) == 1 else None

    @property
    def rescue_ref(self) -> str | None:
        """See `LiveScreen`."""
        record = None if self._seq is None else self.reader.record(self._seq)
        return record.rescue[0] if record is not None and record.rescue else None

    @property
    def ages(self) -> bool:
        """Only a live run goes on by itself."""
        return self.reader.live

    @property
    def tables(self) -> Sequence[RowTable[Any]]:
        """What a filter is for."""
        return (self._flights, self._landed, self._missed)

    def on_row_chosen(self, event: RowChosen) -> None:
        """Open the session under the cursor."""
        seq = _seq_of(event.item)
        if seq is not None:
            self.post_message(OpenSession(seq))

    def action_look(self, page: str) -> None:
        """Open a page of the session under the cursor; without one, of the only session in flight."""
        seq = self.seq_in_flight if self._seq is None else self._seq
        if seq is not None:
            self.post_message(OpenSession(seq, page))

    def action_part(self, by: int) -> None:
        """Move to the next part that has something to show."""
        there = [name for name in PARTS if name in PAGES or self.query_one(f"#{name}").display]
        focused = self.focused.id if self.focused is not None else None
        at = there.index(focused) if focused in there else -by
        self._turn_to(there[(at + by) % len(there)])

    def _turn_to(self, name: str) -> None:
        if name in PAGES:
            self._page = name
            if self._now is not None:
                self.draw(self._now)
        self.query_one(f"#{name}").focus()

    def on_resize(self) -> None:
        """Share the room again."""
        if self._now is not None:
            self.draw(self._now)


def _seq_of(item: SessionRecord | Flight | NeedLine | None) -> int | None:
    """The session that a row is about, if it is about one."""
    if item is None:
        return None
    return item.need.seq if isinstance(item, rows.NeedLine) else item.seq
