"""The live display of `grind`: finished sessions scroll by, a footer ticks below them (SPEC 8).

It changes no terminal state that would have to be restored (no hidden cursor, no alternate screen), so a killed runner
leaves a working terminal. That nothing typed is echoed into the footer is the guardian's work, who also undoes it.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Literal, Self

from rich.console import Console
from rich.text import Text

from pitboss.core.embed import one_line
from pitboss.core.events import (
    Draining,
    PhaseChanged,
    QuotaSeen,
    RunEvent,
    SessionEnded,
    SessionStarted,
    Step,
    StepKind,
)
from pitboss.core.gauges import gauges_of, time_left
from pitboss.core.measures import duration, tokens
from pitboss.core.terminal import visible
from pitboss.core.view import Activity, Flight, View, fold
from pitboss.core.words.deeds import PAUSED
from pitboss.core.words.phases import flight_words
from pitboss.core.words.run_state import live_words
from pitboss.screens.lines import budget_parts, cost_in_words, session_lines, with_queued
from pitboss.screens.output import clock_face
from pitboss.screens.plain import PlainProgress, deed_line
from pitboss.screens.program import with_calls
from pitboss.screens.terminal import colored, steer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


TICK_S = 0.25
"""Seconds between two drawings at least, however much happens."""

SECOND_S = 1.0
LATE_S = 0.01
"""How long after a clock's next second it is sure to show it."""

_LINE_LIMIT = 500
_ADVICE = "Ctrl-C: finish what runs, then stop; twice: stop now"


def flight_lines(flight: Flight, now: datetime) -> list[Text]:
    """Which session runs and since when; below that, what it does and what it has used so far."""
    since = duration(max(int((now - (flight.started_at or now)).total_seconds()), 0))
    phase = flight_words(flight)
    if flight.until is not None:
        phase = f"{phase}, {duration(max(int((flight.until - now).total_seconds()), 0))} left"
    who = one_line(" ".join(filter(None, (flight.agent, flight.model))))
    title = Text("● ", style="cyan")
    title.append(f"session-{flight.seq:04} {with_queued(flight.prompt, flight.queued)}", style="bold")
    title.append(f"  {since}  {phase}  {who}", style="dim")
    used = flight.tokens.input + flight.tokens.output
    cost = cost_in_words(flight.cost_usd, known=flight.cost_known)
    spending = f"{tokens(used)} tokens  {cost}  " if used else ""
    retrying = "retrying: " if flight.what is StepKind.RETRY else ""
    return [title, Text(f"  {spending}{retrying}{one_line(flight.step, _LINE_LIMIT)}", style="dim")]


def until_next_second_s(flights: Iterable[Flight], now: datetime) -> float:
    """Seconds until one of the clocks in `flight_lines` has gone on."""
    clocks = (clock for flight in flights for clock in (flight.started_at, flight.until) if clock)
    left = ((clock - now).total_seconds() % SECOND_S for clock in clocks)
    return min(left, default=SECOND_S) + LATE_S


def harmless(line: str) -> Text:
    """A line with our own color codes and no one else's."""
    return Text.from_ansi(visible(line, colors=True))


def fitting(sessions: Sequence[list[Text]], rows: int) -> list[Text]:
    """As much of the sessions as fits in `rows`: all lines, else all titles, else some titles."""
    if sum(map(len, sessions)) <= rows:
        return [line for lines in sessions for line in lines]
    titles = [lines[0] for lines in sessions]
    if len(titles) <= rows:
        return titles
    shown = max(rows - 1, 0)
    return [*titles[:shown], Text(f"  and {len(titles) - shown} more", style="dim")]


class Footer:
    """A few lines at the bottom that are redrawn in place; other lines are printed above them.

    Lines are cut to the width of the terminal. A terminal made narrower since then has wrapped what was drawn; the
    widths drawn tell how many rows that takes now.
    """

    def __init__(self, lines: Callable[[], Sequence[Text]]) -> None:
        system: Literal["auto"] | None = "auto" if colored(sys.stderr) else None
        self._console = Console(stderr=True, highlight=False, color_system=system)
        self._lines = lines
        self._drawn: list[int] = []
        self._known: dict[object, str] = {}
        self._lock = RLock()

    def draw(self, above: Sequence[Text] = ()) -> None:
        """Replace what was drawn with the lines `above`, which stay, and the footer below them."""
        with self._lock:
            width = self._console.width
            erase = self._erasing(width)
            footer = [_cut(line, width) for line in self._lines()]
            kept = "".join(f"{self._rendered(line)}\n" for line in above)
            drawn = "\n".join(self._all_rendered(footer))
            self._drawn = [line.cell_len for line in footer]
            steer(erase)
            sys.stderr.write(kept + drawn)
            sys.stderr.flush()

    def clear(self) -> None:
        """Erase the footer and leave the cursor where it began."""
        with self._lock:
            steer(self._erasing(self._console.width))
            sys.stderr.flush()
            self._drawn = []

    @property
    def height(self) -> int:
        """The rows of the terminal."""
        return self._console.height

    def fitted(self, line: str) -> Text:
        """A line with color codes, cut to the width."""
        return _cut(harmless(line), self._console.width)

    def _erasing(self, width: int) -> str:
        """Row by row: on a clear from the top of the screen down, tmux would save it all to its history first."""
        rows = sum(max(1, -(-cells // width)) for cells in self._drawn)
        return "\r\x1b[2K" + "\x1b[1A\x1b[2K" * (rows - 1)

    def _all_rendered(self, lines: Sequence[Text]) -> list[str]:
        """Lines as they are written; those of the last time are known, and all others are worked out together."""
        keyed = {(line.plain, line.style, tuple(line.spans)): line for line in lines}
        new = {key: line for key, line in keyed.items() if key not in self._known}
        if new:
            worked_out = self._rendered(Text("\n").join(new.values())).split("\n")
            self._known |= dict(zip(new, worked_out, strict=True))
        self._known = {key: self._known[key] for key in keyed}
        return [self._known[line.plain, line.style, tuple(line.spans)] for line in lines]

    def _rendered(self, line: Text) -> str:
        with self._console.capture() as captured:
            self._console.print(line, end="", soft_wrap=True)
        return captured.get()


def _cut(line: Text, width: int) -> Text:
    line.truncate(max(width - 1, 1), overflow="ellipsis")
    return line


class LiveProgress(PlainProgress):
    """Prints the same lines as PlainProgress, above a footer that shows what runs now."""

    def __init__(self) -> None:
        super().__init__()
        self._draining: str | None = None
        self._footer = Footer(self._footer_lines)
        self._over = Event()
        self._news = Event()
        self._ticker = Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Erase the footer."""
        self._over.set()
        self._news.set()
        self._ticker.join()
        with suppress(OSError):
            self._footer.clear()

    def __call__(self, event: RunEvent) -> None:
        """Update the footer, and print the event above it if it is worth a line."""
        before, self.view = self.view, fold(self.view, event)
        if isinstance(event, Draining):
            self._draining = deed_line(event, before)
        if isinstance(event, SessionEnded):
            self._footer.draw([self._footer.fitted(line) for line in session_lines(event.record, sys.stderr)])
        elif not isinstance(event, SessionStarted | PhaseChanged | Step | QuotaSeen):
            lines = (with_calls(line, sys.stderr) for line in self.lines(event, before))
            self._footer.draw([harmless(line) for line in lines])
        else:
            self._news.set()

    def _tick(self) -> None:
        with suppress(OSError):
            while not self._over.wait(TICK_S):
                self._footer.draw()
                rest_s = until_next_second_s(self.view.in_flight, datetime.now(UTC))
                self._news.wait(max(0.0, rest_s - TICK_S))
                self._news.clear()

    def _footer_lines(self) -> list[Text]:
        now, view = datetime.now(UTC), self.view
        sessions = [flight_lines(flight, now) for flight in view.in_flight]
        if not sessions and view.awaits:
            doing = live_words(view, clock_face(sys.stderr)).text
            sessions = [[Text(doing, style="yellow")]]
        idle = not view.run_id or view.activity is Activity.OVER
        below = [] if idle else [self._budget(view, now), self._last_line(view)]
        return [*fitting(sessions, self._footer.height - len(below) - 1), *below]

    def _budget(self, view: View, now: datetime) -> Text:
        shown = [gauge for gauge in gauges_of(view, now) if not gauge.says_nothing]
        parts = (time_left(gauge) if gauge.until else budget_parts([gauge], sys.stderr)[0] for gauge in shown)
        return Text("  ·  ".join(parts))

    def _last_line(self, view: View) -> Text:
        said = self._draining or (f"paused: {PAUSED}" if view.paused else "")
        if said:
            return Text(with_calls(said, sys.stderr), style="yellow")
        following = f"next: {one_line(view.next_pick)}  ·  " if view.next_pick else ""
        return Text(f"{following}{_ADVICE}", style="dim")
