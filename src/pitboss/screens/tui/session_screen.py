"""One session: summary, diff, transcript that follows live, tests, attempts and waits, cost (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType

from pitboss.core.embed import one_line
from pitboss.core.measures import duration
from pitboss.core.tone import SESSION_TONES
from pitboss.core.words.phases import flight_tone, flight_words
from pitboss.screens.output import Ink
from pitboss.screens.tones import TONE_INK
from pitboss.screens.tui import session_texts
from pitboss.screens.tui.live_screen import LiveScreen
from pitboss.screens.tui.output_pane import OutputPane
from pitboss.screens.tui.pager import Pager
from pitboss.screens.tui.pieces import Piece, length
from pitboss.screens.tui.titles import FRAME, SESSION_PAGES, page_titles
from pitboss.store.session_files import Printed
from pitboss.store.session_page import session_page

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from textual.app import ComposeResult

    from pitboss.core.measures import ClockFace
    from pitboss.screens.desk import Changes
    from pitboss.screens.tui.run_reader import RunReader
    from pitboss.screens.tui.wishes import OpenSession
    from pitboss.store.session_files import PrintedFile
    from pitboss.store.session_page import SessionPage
    from pitboss.store.transcript import Window

_PRINTED = {
    "transcript": (Printed.AGENT, Printed.FIXER),
    "tests": (Printed.VERIFY,),
    "hooks": (Printed.HOOKS,),
}


class SessionScreen(LiveScreen):
    """A session, in flight or ended. Its pages take turns; those with several files go through them by arrows."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right,l", "file(1)", show=False),
        Binding("left,h", "file(-1)", show=False),
    ]

    def __init__(self, reader: RunReader, wish: OpenSession, clock: ClockFace) -> None:
        super().__init__()
        self.reader: RunReader = reader
        self._clock = clock
        self.seq, self._on = wish.seq, wish.page
        self._page: SessionPage | None = None
        self._changes: Changes | None = None
        self._file = dict.fromkeys(_PRINTED, 0)
        self._text, self._output = Pager(id="text"), OutputPane(id="output")
        for pane in (self._text, self._output):
            pane.add_class("part")

    def body(self) -> ComposeResult:
        """Two panes in one place: one for texts, one for files of any size."""
        yield self._text
        yield self._output

    @property
    def seq_in_flight(self) -> int | None:
        """See `LiveScreen`."""
        return self.seq if self._page is not None and self._page.flight is not None else None

    @property
    def rescue_ref(self) -> str | None:
        """See `LiveScreen`."""
        record = self._page.record if self._page is not None else None
        return record.rescue[0] if record is not None and record.rescue else None

    @property
    def run_id(self) -> str:
        """The run it belongs to."""
        return self.reader.run_id

    @property
    def hints(self) -> Sequence[str]:
        """What one does here."""
        return (
            "part",
            "back",
            *(("skip",) if self.seq_in_flight else ()),
            *(("apply",) if self.rescue_ref else ()),
        )

    def look(self) -> bool:
        """Read what is new about the session; its diff too, once that is wanted."""
        self.reader.look()
        before, seen = self._page, self.reader.seen
        self._page = None if seen is None else session_page(self.reader.paths, seen, self.seq)
        news = self._page != before
        record = None if self._page is None else self._page.record
        if self._on == "diff" and self._page is not None and record is not None and self._changes is None:
            self._changes = self.reader.desk.changes(record, self._page.landed_before)
            news = True
        return news or self._output.grown()

    def draw(self, now: datetime) -> None:
        """Show the page that is on."""
        page = self._page
        if page is None:
            self.show_top([[Piece(f"session {self.seq} of run {self.run_id} is not there yet", Ink.WARN)]])
            return
        self.show_top([self._headline(page)])
        printed = self._on in _PRINTED
        self._text.display, self._output.display = not printed, printed
        if printed:
            self._draw_output(page)
        else:
            self._text.show(self._rows(page, now))
        pane = self._output if printed else self._text
        pane.border_title = page_titles(self._titles(page), self._on, self.size.width - FRAME)
        if self.focused is None or not self.focused.display:
            pane.focus()

    def _headline(self, page: SessionPage) -> list[Piece]:
        record, flight = page.record, page.flight
        name = [Piece(f"session {self.seq}  ", Ink.NAME)]
        if record is not None:
            took = duration((record.ended_at - record.started_at).total_seconds())
            status = Piece(f"  {record.status}", TONE_INK[SESSION_TONES[record.status]])
            line = [*name, Piece(one_line(record.prompt), Ink.STRONG), status, Piece(f"  {took}")]
        elif flight is not None:
            doing = Piece(f"  {flight_words(flight, self._clock)}", TONE_INK[flight_tone(flight)])
            line = [*name, Piece(one_line(flight.prompt), Ink.STRONG), doing]
        else:
            line = name
        room = self.size.width - length(line) - len(self.run_id)
        return [*line, Piece(" " * room), Piece(self.run_id, Ink.FAINT)] if room > 1 else line

    def _titles(self, page: SessionPage) -> dict[str, int | None]:
        counts = {name: sum(file.by in by for file in page.files) for name, by in _PRINTED.items()}
        return {
            name: counts.get(name) if counts.get(name, 0) > 1 else None
            for name in SESSION_PAGES
            if counts.get(name, 1) or name in (self._on, "transcript")
        }

    def _rows(self, page: SessionPage, now: datetime) -> Sequence[Sequence[Piece]]:
        match self._on:
            case "summary":
                return session_texts.summary(page, now, self._clock)
            case "diff":
                return session_texts.diff(page, self._changes)
            case _:
                return session_texts.attempts(page, now, self._clock)

    def _draw_output(self, page: SessionPage) -> None:
        files = self._files(page)
        if not files:
            self._output.show(session_texts.nothing_printed(self._on, live=page.flight is not None))
            return
        at = min(self._file[self._on], len(files) - 1)
        self._output.over = page.flight is None
        self._output.open(files[at].path, self._readable(page, files[at]))
        self._output.follow()
        name = files[at].title if len(files) == 1 else f"{files[at].title} ({at + 1} of {len(files)}, ← →)"
        self._output.border_subtitle = f" {name} "

    def _readable(self, page: SessionPage, file: PrintedFile) -> Callable[[Window], Sequence[str]]:
        """How the lines of a file are read: what agents print means something only to those who know them."""
        who = page.record or page.flight
        if file.by not in _PRINTED["transcript"] or who is None:
            return lambda window: window.lines
        return lambda window: self.reader.desk.readable(who.agent, window.raw)

    def _files(self, page: SessionPage) -> list[PrintedFile]:
        return [file for file in page.files if file.by in _PRINTED[self._on]]

    def action_part(self, by: int) -> None:
        """To the next page."""
        if self._page is not None:
            names = list(self._titles(self._page))
            self.action_look(names[(names.index(self._on) + by) % len(names)])

    def action_look(self, page: str) -> None:
        """To a page by name."""
        self._on = page
        self.hurry()

    def action_file(self, by: int) -> None:
        """To the next file of a page that has several."""
        if self._page is not None and self._on in _PRINTED:
            count = len(self._files(self._page))
            self._file[self._on] = min(max(self._file[self._on] + by, 0), max(count - 1, 0))
            self.hurry()
