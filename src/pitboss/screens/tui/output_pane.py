"""What an agent, tests or hooks printed: a window of a file of any size, which may still grow (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pitboss.core.embed import one_line
from pitboss.errors import PitbossError
from pitboss.screens.output import Ink
from pitboss.screens.tui.pager import Pager
from pitboss.screens.tui.pieces import Piece
from pitboss.store.transcript import Transcript

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from pitboss.store.transcript import Window

    Readable = Callable[[Window], Sequence[str]]

_MOST_WINDOWS = 6
"""How many windows are kept; the one farthest from what is in sight is forgotten first."""


class _Read(NamedTuple):
    """A window and its lines."""

    window: Window
    rows: tuple[list[Piece], ...]


class OutputPane(Pager):
    """One file of output. It opens at its end."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - textual's name for it
        super().__init__(id=id)
        self._path: Path | None = None
        self._transcript: Transcript | None = None
        self._windows: list[_Read] = []
        self._readable: Readable = lambda window: window.lines
        self.over = False
        """Whether nobody writes to the file any more: until then its last line may be half a line."""

    def open(self, path: Path, readable: Readable) -> None:
        """Show the end of the file, unless it is the one that is open; `readable` makes lines of a window."""
        if path != self._path:
            self._path, self._transcript, self._readable = path, Transcript(path), readable
            self._jump(to_end=True)

    def grown(self) -> bool:
        """Whether the file has more to show at its end. Reads nothing, so it can be called from any thread."""
        transcript, windows = self._transcript, self._windows
        return transcript is not None and bool(windows) and transcript.size != windows[-1].window.size

    def follow(self) -> None:
        """Take in what the file has gained, if the end is in sight."""
        transcript = self._transcript
        if transcript is None or not self._windows:
            return
        if transcript.size < self._windows[-1].window.size:
            self._jump(to_end=True)
        elif self.at_end:
            self._more(below=True)

    def _jump(self, *, to_end: bool) -> None:
        if self._transcript is None:
            return
        try:
            found = self._transcript.last() if to_end else self._transcript.at(0)
            self._windows = [self._read(self._whole(found))]
        except PitbossError as error:
            self._windows = []
            self.show([[Piece(one_line(error.message), Ink.BAD)]])
            return
        self.show(self._lines())
        super().action_edge(int(to_end))

    def _whole(self, window: Window) -> Window:
        """The window up to the end of a line, if more of that line may come."""
        if self.over or not window.is_last or window.raw.endswith(b"\n"):
            return window
        raw = window.raw[: window.raw.rfind(b"\n") + 1]
        return msgspec.structs.replace(window, raw=raw, end=window.start + len(raw))

    def _read(self, window: Window) -> _Read:
        return _Read(window, tuple([Piece(line)] for line in self._readable(window)))

    def _more(self, *, below: bool) -> None:
        """Read the window before or after those there are."""
        transcript, windows = self._transcript, self._windows
        if transcript is None or not windows or (not below and windows[0].window.is_first):
            return
        try:
            at = windows[-1 if below else 0].window
            found = self._whole(transcript.after(at)) if below else transcript.before(at)
        except PitbossError:
            return
        if found.start == found.end:
            last = windows[-1]
            size = msgspec.structs.replace(last.window, size=found.size)
            self._windows = [*windows[:-1], last._replace(window=size)]
            return
        read = self._read(found)
        if below:
            self._windows = [*windows, read][-_MOST_WINDOWS:]
            gone = sum(len(each.rows) for each in windows[: len(windows) + 1 - len(self._windows)])
            self.show(self._lines(), follows=True, gone_above=gone)
        else:
            self._windows = [read, *windows][:_MOST_WINDOWS]
            self.show(self._lines(), added_above=len(read.rows))

    def _lines(self) -> Sequence[Sequence[Piece]]:
        lines = [row for each in self._windows for row in each.rows]
        return lines or [[Piece("it has printed nothing", Ink.FAINT)]]

    def action_by(self, rows: int) -> None:
        """Scroll by rows, reading on at an edge."""
        self._read_on(rows)
        super().action_by(rows)

    def action_page(self, pages: int) -> None:
        """Scroll by screenfuls, reading on at an edge."""
        self._read_on(pages)
        super().action_page(pages)

    def _read_on(self, direction: int) -> None:
        near = self.size.height
        if direction < 0 and self.scroll_offset.y <= near:
            self._more(below=False)
        elif direction > 0 and self.rows_below <= near:
            self._more(below=True)

    def action_edge(self, last: int) -> None:
        """Jump to the beginning or the end of the file."""
        self._jump(to_end=bool(last))
