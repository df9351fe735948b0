"""Passes events from the engine to the outlets that show a run, each by a bounded queue and a thread (SPEC 9).

    session threads -- put, microseconds --> queue -- a thread each --> outlet: footer, events.jsonl, --json

Agents report thousands of steps, so a queue keeps one per session and shows at most four a second; a slow reader
sees fewer. Other events are few: an outlet that takes none for hours loses some, and is told how many. The end of a
session is never lost.
"""

from __future__ import annotations

import time
from collections import deque
from datetime import UTC, datetime
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.core.events import (
    AgentStep,
    Phase,
    PhaseChanged,
    RunEnded,
    SessionEnded,
    SessionStarted,
    Step,
    Warned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.events import Outlet, RunEvent

MOST_WAITING = 5_000
"""Events, apart from steps, that may wait for one outlet: about a hundred sessions' worth."""

STEP_EVERY_S = 0.25

GATHER_S = 0.1
"""Events within so many seconds are shown together: waking a thread takes longer than showing an event, and the
thread would compete with the sessions for the interpreter."""


class Bus:
    """The engine's observer: hands every event to all outlets. Safe to call from any thread; never waits."""

    def __init__(self, outlets: Sequence[Outlet[Any]]) -> None:
        self._threads = [OutletThread(outlet, self._warn) for outlet in outlets]
        self._phases: dict[int, PhaseChanged] = {}

    def __call__(self, event: RunEvent | AgentStep) -> None:
        """Queue `event` for all outlets."""
        now = datetime.now(UTC)
        if isinstance(event, AgentStep):
            for thread in self._threads:
                thread.put_step(event, now)
            return
        if not self._is_news(event):
            return
        stamped = msgspec.structs.replace(event, t=now)
        for thread in self._threads:
            thread.put(stamped)

    def _is_news(self, event: RunEvent) -> bool:
        """Whether it says more than where a session is already known to be.

        Several steps of a session may be one phase for whoever looks: its commit and its landing are both "landing".
        """
        match event:
            case PhaseChanged(phase=Phase.HOOK) | SessionEnded():  # each hook is a command that runs
                self._phases.pop(event.seq, None)
            case PhaseChanged():
                known, self._phases[event.seq] = self._phases.get(event.seq), event
                return event != known
        return True

    def _warn(self, text: str) -> None:
        self(Warned(text=text))

    def close(self) -> None:
        """Give each outlet its time to catch up; whatever it has not shown by then is dropped."""
        began = time.monotonic()
        for thread in self._threads:
            thread.finish()
        for thread in self._threads:
            thread.join(max(0.0, began + thread.patience_s - time.monotonic()))


class OutletThread(Thread):
    """The queue of one outlet and the thread that empties it.

    An outlet that raises gets nothing more, and `warn` tells the others, unless it has merely lost its reader.
    """

    def __init__(self, outlet: Outlet[Any], warn: Callable[[str], None]) -> None:
        super().__init__(name=f"outlet {type(outlet).__name__}", daemon=True)
        self.patience_s = outlet.patience_s
        self._outlet = outlet
        self._warn = warn
        self._waiting: deque[object] = deque()
        self._steps: dict[int, _Steps] = {}
        self._unshown: dict[int, _Steps] = {}
        self._dropped = 0
        self._failure: Exception | None = None
        self._over = self._deaf = self._asleep = False
        self._news = Condition()
        self.start()

    def put(self, event: RunEvent) -> None:
        """Queue one event; a waiting step of the same session goes first."""
        with self._news:
            if self._deaf:
                return
            steps = self._unshown.pop(getattr(event, "seq", 0), None)
            if steps is not None:
                self._append(steps.take())
            if isinstance(event, SessionStarted):
                self._steps[event.seq] = _Steps(event.seq)
            elif isinstance(event, SessionEnded):
                self._steps.pop(event.seq, None)
            self._append(event)
            if self._waiting:
                self._wake()

    def put_step(self, step: AgentStep, now: datetime) -> None:
        """Queue a step, which the next step of its session may replace; retries are always shown."""
        with self._news:
            steps = self._steps.get(step.seq)
            if self._deaf or steps is None:
                return
            waited_for = bool(self._unshown)
            steps.add(step, now)
            if step.is_retry:
                self._unshown.pop(step.seq, None)
                self._append(steps.take())
            else:
                self._unshown[step.seq] = steps
            if self._waiting or not waited_for:
                self._wake()

    def _wake(self) -> None:
        if self._asleep:
            self._asleep = False
            self._news.notify()

    def _append(self, event: RunEvent) -> None:
        waiting = self._asked(lambda: self._outlet.waits_as(event))
        if waiting is None:
            return
        if len(self._waiting) >= MOST_WAITING and not isinstance(event, SessionEnded | RunEnded):
            self._dropped += 1
        else:
            self._waiting.append(waiting)

    def finish(self) -> None:
        """Nothing more will come."""
        with self._news:
            self._over = True
            self._news.notify()
        self._asked(self._outlet.hurry)

    def _asked(self, question: Callable[[], object]) -> object | None:
        """The outlet's answer. What it raises is left to its own thread: the caller may be a session."""
        try:
            return question()
        except Exception as failure:
            with self._news:
                self._failure = failure
                self._news.notify()
            return None

    def run(self) -> None:
        """Show events until no more come or the outlet fails."""
        try:
            while (events := self._next()) is not None:
                for event in events:
                    self._outlet(event)
        except BaseException as failure:
            with self._news:
                self._deaf = True
                self._waiting.clear()
                self._steps.clear()
                self._unshown.clear()
            if not isinstance(failure, BrokenPipeError):
                self._warn(f"{self.name} failed, and shows nothing more: {type(failure).__name__}: {failure}")

    def _next(self) -> list[object] | None:
        """Wait for events that are due and return them; None once all are shown and no more will come."""
        with self._news:
            while True:
                self._sleep()
                if self._failure is not None:
                    raise self._failure
                if due := self._due(time.monotonic()):
                    return due
                if self._over:
                    return None

    def _sleep(self) -> None:
        """Wait until an event is due, then a moment longer for others that come with it."""
        if not self._over and not self._waiting and self._failure is None:
            self._asleep = True
            self._news.wait(self._until_due(time.monotonic()))
            self._asleep = False
        if not self._over:
            self._news.wait(GATHER_S)

    def _due(self, now: float) -> list[object]:
        for seq, steps in list(self._unshown.items()):
            if self._over or steps.due_at <= now:
                del self._unshown[seq]
                self._append(steps.take(now))
        due = list(self._waiting)
        self._waiting.clear()
        if self._dropped:
            due.append(Warned(text=f"{self._dropped} events were not shown here: nobody took them"))
            self._dropped = 0
        return due

    def _until_due(self, now: float) -> float | None:
        """Seconds until a waiting step is due; None if none waits."""
        waiting = min((each.due_at for each in self._unshown.values()), default=None)
        return None if waiting is None else max(0.0, waiting - now)


class _Steps:
    """The steps of one session: the last one shown, and what has come since."""

    def __init__(self, seq: int) -> None:
        self.due_at = float("-inf")
        self._shown = Step(seq=seq)
        self._since: AgentStep | None = None
        self._at: datetime | None = None

    def add(self, step: AgentStep, at: datetime) -> None:
        self._since = step if self._since is None else self._since.then(step)
        self._at = at

    def take(self, now: float | None = None) -> Step:
        """What has come since, as one step: the latest words and the usage so far."""
        shown = self._shown if self._since is None else self._since.shown(self._shown)
        self._shown = msgspec.structs.replace(shown, t=self._at)
        self._since = None
        self.due_at = (time.monotonic() if now is None else now) + STEP_EVERY_S
        return self._shown
