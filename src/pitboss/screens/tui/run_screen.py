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
from pitboss.screens.tui.pieces import Piece
from pitboss.screens.tui.table import RowTable
from pitboss.screens.tui.titles import page_titles, title
from pitboss.screens.tui.wishes import OpenSession, RowChosen

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from textual.app import ComposeResult

    from pitboss.core.measures import ClockFace
    from pitboss.core.session import SessionRecord
    from pitboss.core.view import Flight
    from pitboss.screens.tui.beside import Beside
    from pitboss.store.follow import Snapshot
    from pitboss.store.run_watch import RunWatch

PAGES = ("landed", "missed", "lanes", "queue", "notes")
"""The parts that take turns where there is no room for all, in the order of `tab`."""
PARTS = ("needs", "flights", *PAGES)
_IDLE = "nothing is in flight right now"
_NONE_YET = {
    "landed": "nothing has landed yet; what lands is on the run's branch, newest first here",
    "missed": "everything that ended has landed",
}
_IN_RIGHT_COLUMN = ("lanes", "queue", "notes")


class RunScreen(LiveScreen):
    """A run, live or at rest."""

    def __init__(self, watch: RunWatch, beside: Beside, clock: ClockFace) -> None:
        super().__init__()
        self._beside = beside
        self._watch = watch
        self._clock = clock
        self._seen: Snapshot | None = None
        self._now: datetime | None = None
        self._page = "landed"
        self._flights: RowTable[Flight] = RowTable(
            rows.FLIGHTS, self._flight_cells, lambda each: each.seq, empty=_IDLE, id="flights"
        )
        self._landed: RowTable[SessionRecord] = self._sessions("landed")
        self._missed: RowTable[SessionRecord] = self._sessions("missed")
        self._needs: RowTable[str] = RowTable(
            rows.FLIGHTS, lambda each: [Piece(each)], lambda each: each, id="needs"
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

    def look(self) -> bool:
        """Read what the run has written since the last look."""
        before, self._seen = self._seen, self._watch.look()
        return self._beside.look() or self._seen is not before

    def draw(self, now: datetime) -> None:
        """Show the run as it was at the last look."""
        self._now = now
        seen = self._seen
        if seen is None:
            return
        self.show_top(self._top(seen, now))
        self._fill(seen, now)
        self._arrange()

    def _top(self, seen: Snapshot, now: datetime) -> list[list[Piece]]:
        width, view = self.size.width, seen.view
        said = run_words(view, seen.condition, seen.stop_reason, self._clock)
        used = gauges(view.caps, Used.seen(view), started_at=view.started_at or now, now=now)
        return [
            top.headline(said, seen.condition, seen.run_id, width),
            *top.gauge_lines(used, self._clock, width),
            *top.quota_lines(view.quota, self._clock, now, width),
        ]

    def _fill(self, seen: Snapshot, now: datetime) -> None:
        records = seen.records[::-1]
        self._flights.show(seen.view.in_flight)
        self._landed.show([record for record in records if record.commit is not None])
        self._missed.show([record for record in records if record.commit is None])
        following = seen.view.next_pick
        self._queue.show(queue_rows(self._beside.queue, following, now))
        self._notes.show(note_rows(self._beside.notes), follows=True)
        drawn = lanes(seen.records, seen.view.in_flight, seen.tracks)
        self._lanes.draw(lambda width: night(drawn, now, self._clock, width))

    def _flight_cells(self, flight: Flight) -> Sequence[Piece]:
        return [] if self._now is None else rows.flight_cells(flight, self._now, self._clock)

    def _session_cells(self, record: SessionRecord) -> Sequence[Piece]:
        track = None if self._seen is None else self._seen.tracks.get(record.seq)
        return rows.session_cells(record, None if track is None else track.diff)

    def _arrange(self) -> None:
        """Share the room among the parts."""
        width, height = self.size
        roomy, live = is_roomy(width, height), self._seen is not None and self._seen.live is not None
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
        counts: dict[str, int | None] = {
            table.id or "": len(table.items)
            for table in (self._needs, self._flights, self._landed, self._missed)
        }
        for name in PARTS:
            whole = {page: counts.get(page) for page in PAGES}
            alone = roomy or name not in PAGES
            words = title(name, counts.get(name)) if alone else page_titles(whole, name)
            self.query_one(f"#{name}").border_title = words

    @property
    def ages(self) -> bool:
        """Only a live run goes on by itself."""
        return self._seen is not None and self._seen.live is not None

    @property
    def tables(self) -> Sequence[RowTable[Any]]:
        """What a filter is for."""
        return (self._flights, self._landed, self._missed)

    def on_row_chosen(self, event: RowChosen) -> None:
        """Open the session under the cursor."""
        self.post_message(OpenSession(event.item.seq))

    def action_look(self, page: str) -> None:
        """Open a page of the session under the cursor."""
        table = self.focused
        if isinstance(table, RowTable) and table.item is not None:
            self.post_message(OpenSession(table.item.seq, page))

    def action_part(self, by: int) -> None:
        """Move to the next part that has something to show."""
        there = [name for name in PARTS if name in PAGES or self.query_one(f"#{name}").display]
        focused = self.focused.id if self.focused is not None else None
        at = there.index(focused) if focused in there else -by
        self._turn_to(there[(at + by) % len(there)])

    def _turn_to(self, name: str) -> None:
        if name in PAGES:
            self._page = name
            self._arrange()
        self.query_one(f"#{name}").focus()

    def on_resize(self) -> None:
        """Share the room again."""
        if self._now is not None:
            self.draw(self._now)
