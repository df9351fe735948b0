"""The live display of `grind`: finished sessions scroll by, a footer ticks below them (SPEC 8).

Nothing is switched on that would have to be switched off again (no hidden cursor, no other screen), so a
runner that is killed leaves a terminal that works.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event, RLock, Thread
from typing import TYPE_CHECKING, Literal, Self

import msgspec
from rich.console import Console
from rich.text import Text

from pitboss.cli.lines import Used, budget_parts, cost_in_words, session_lines
from pitboss.cli.progress import PlainProgress, draining
from pitboss.cli.screen import colored, steer
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.embed import one_line
from pitboss.core.events import (
    AgentStep,
    Draining,
    Phase,
    PhaseChanged,
    RunEnded,
    RunEvent,
    RunStarted,
    SessionEnded,
    SessionStarted,
)
from pitboss.core.measures import duration, tokens
from pitboss.core.terminal import visible
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.run import RunState

TICK_S = 0.25
_LINE_LIMIT = 500
_ADVICE = "Ctrl-C: finish what runs, then stop; twice: stop now"


class Running:
    """One session in flight, as its lines in the footer show it."""

    def __init__(self, event: SessionStarted) -> None:
        self.session = event.session
        self.who = one_line(" ".join(filter(None, (event.agent, event.model))))
        self.phase = Phase.AGENT
        self.detail = ""
        self.until: datetime | None = None
        self.doing = ""
        self._billed = Usage()
        self._now = Usage()

    def enter(self, event: PhaseChanged) -> None:
        """Go to another phase; every agent that begins or goes on counts usage from zero."""
        if event.phase in (Phase.AGENT, Phase.FIX):
            self._billed, self._now = self._billed + self._now, Usage()
        self.phase, self.detail, self.doing = event.phase, event.detail, ""
        self.until = event.until

    def step(self, event: AgentEvent) -> None:
        """Take in what the agent just did."""
        if event.usage is not None:
            self._now = event.usage
        if event.kind is EventKind.RETRY:
            self.doing = f"retrying: {event.text}"
        elif event.kind in (EventKind.TOOL, EventKind.TEXT) and event.text.strip():
            self.doing = event.text

    @property
    def used(self) -> Usage:
        """What it has used so far, by all its agents."""
        return self._billed + self._now

    def lines(self, now: datetime) -> list[Text]:
        """Who runs and since when; below it what it does and what it used so far."""
        since = duration(max(int((now - self.session.started_at).total_seconds()), 0))
        phase = f"{self.phase} {one_line(self.detail)}".rstrip()
        if self.until is not None:
            phase = f"{phase}, {duration(max(int((self.until - now).total_seconds()), 0))} left"
        title = Text("● ", style="cyan")
        title.append(f"session-{self.session.seq:04} {one_line(self.session.prompt)}", style="bold")
        title.append(f"  {since}  {phase}  {self.who}", style="dim")
        used = self.used
        cost = cost_in_words(used.cost_usd, known=used.cost_known)
        spending = f"{tokens(used.input + used.output)} tokens  {cost}  " if used.has_tokens else ""
        return [title, Text(f"  {spending}{one_line(self.doing, _LINE_LIMIT)}", style="dim")]


def harmless(line: str) -> Text:
    """A line with our color codes in it, and none of anybody else's."""
    return Text.from_ansi(visible(line, colors=True))


def fitting(sessions: Sequence[list[Text]], rows: int) -> list[Text]:
    """As much of the sessions as fits into so many rows: all lines, else titles, else some of the titles."""
    if sum(map(len, sessions)) <= rows:
        return [line for lines in sessions for line in lines]
    titles = [lines[0] for lines in sessions]
    if len(titles) <= rows:
        return titles
    shown = max(rows - 1, 0)
    return [*titles[:shown], Text(f"  and {len(titles) - shown} more", style="dim")]


class Footer:
    """A few lines at the bottom that are drawn anew in place; other lines are printed above them.

    Lines are cut to the width of the terminal. When it was made narrower since, the terminal has
    wrapped what was drawn: how many rows that takes now is worked out from the widths drawn.
    """

    def __init__(self, lines: Callable[[], Sequence[Text]]) -> None:
        system: Literal["auto"] | None = "auto" if colored(sys.stderr) else None
        self._console = Console(stderr=True, highlight=False, color_system=system)
        self._lines = lines
        self._drawn: list[int] = []
        self._lock = RLock()

    def draw(self, above: Sequence[Text] = ()) -> None:
        """Replace what was drawn before by lines `above`, which stay, and the footer below them."""
        with self._lock:
            erase = self._erasing()
            footer = [self._cut(line) for line in self._lines()]
            kept = "".join(f"{self._rendered(line)}\n" for line in above)
            drawn = "\n".join(map(self._rendered, footer))
            self._drawn = [line.cell_len for line in footer]
            steer(erase)
            sys.stderr.write(kept + drawn)
            sys.stderr.flush()

    def clear(self) -> None:
        """Take the footer away and leave the cursor where it began."""
        with self._lock:
            steer(self._erasing())
            sys.stderr.flush()
            self._drawn = []

    @property
    def height(self) -> int:
        """The rows of the terminal."""
        return self._console.height

    def fitted(self, line: str) -> Text:
        """A line with color codes, cut to the width."""
        return self._cut(harmless(line))

    def _erasing(self) -> str:
        """Row by row: to clear from the top of the screen downwards, tmux saves it all to its history first."""
        width = self._console.width
        rows = sum(max(1, -(-cells // width)) for cells in self._drawn)
        return "\r\x1b[2K" + "\x1b[1A\x1b[2K" * (rows - 1)

    def _cut(self, line: Text) -> Text:
        line.truncate(max(self._console.width - 1, 1), overflow="ellipsis")
        return line

    def _rendered(self, line: Text) -> str:
        with self._console.capture() as captured:
            self._console.print(line, end="", soft_wrap=True)
        return captured.get()


class LiveProgress(PlainProgress):
    """Prints the same lines as PlainProgress, above a footer of what runs now."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = RLock()
        self._running: dict[int, Running] = {}
        self._run: RunState | None = None
        self._next: str | None = None
        self._draining: str | None = None
        self._footer = Footer(self._footer_lines)
        self._over = Event()
        self._ticker = Thread(target=self._tick, name="progress", daemon=True)

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(self, *exception: object) -> None:
        """Take the footer away."""
        self._over.set()
        self._ticker.join()
        with suppress(OSError):
            self._footer.clear()

    def __call__(self, event: RunEvent) -> None:
        """Take the event into the footer, and print it above if it is worth a line."""
        with self._lock:
            self._take(event)
        if isinstance(event, SessionEnded):
            self._footer.draw([self._footer.fitted(line) for line in session_lines(event.record, sys.stderr)])
        elif not isinstance(event, SessionStarted | PhaseChanged | AgentStep):
            self._footer.draw([harmless(line) for line in self.lines(event)])

    def _tick(self) -> None:
        with suppress(OSError):
            while not self._over.wait(TICK_S):
                self._footer.draw()

    def _take(self, event: RunEvent) -> None:
        match event:
            case RunStarted(run=run, caps=caps, next_pick=following):
                self._run, self.caps, self._next = run, caps, following
            case SessionStarted(session=session, next_pick=following):
                self._next = following
                self._running[session.seq] = Running(event)
            case PhaseChanged(seq=seq) if seq in self._running:
                self._running[seq].enter(event)
            case AgentStep(seq=seq, event=step) if seq in self._running:
                self._running[seq].step(step)
            case SessionEnded(record=record, run=run, next_pick=following):
                self._running.pop(record.seq, None)
                self._run, self._next = run, following
            case Draining():
                self._draining = draining(event)
            case RunEnded():
                self._running.clear()
                self._run = None
            case _:
                pass

    def _footer_lines(self) -> list[Text]:
        now = datetime.now(UTC)
        with self._lock:
            sessions = [running.lines(now) for running in self._running.values()]
            below = [] if self._run is None else [self._budget(self._run, now), self._last_line()]
        return [*fitting(sessions, self._footer.height - len(below) - 1), *below]

    def _budget(self, run: RunState, now: datetime) -> Text:
        running = [session.used for session in self._running.values()]
        used = Used.of(run, running, started=max(self._running, default=0))
        parts = budget_parts(msgspec.structs.replace(self.caps, until=None), used, sys.stderr)
        if self.caps.until is not None:
            parts.append(f"{duration((self.caps.until - now).total_seconds())} left")
        return Text("  ·  ".join(parts))

    def _last_line(self) -> Text:
        if self._draining is not None:
            return Text(self._draining, style="yellow")
        following = f"next: {one_line(self._next)}  ·  " if self._next else ""
        return Text(f"{following}{_ADVICE}", style="dim")
