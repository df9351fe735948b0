"""The threads of the sessions in flight: one each, with its record or error handed back to the loop.

A thread whose session has ended takes the next one: starting a thread takes longer than waking one.

Sessions that begin together tend to end together, and then compete for Python's lock and the processors. So those
that would begin together, as a run's first ones do, begin a moment apart.
"""

from __future__ import annotations

import time
from contextlib import suppress
from errno import EAGAIN
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

from pitboss.core.session import SessionRecord
from pitboss.errors import GO_ON, NO_THREAD, SHORTAGES, PitbossError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.chooser import Choice
    from pitboss.core.session import Assignment

    News = tuple[int, SessionRecord | BaseException | None]
    """A session's number, and its record or what ended it; None if it has vacated its place."""

APART_S = 0.02
"""Seconds from one session's start to the next one's, where they would begin together: each computes about as long."""

SPREAD = 0.8
"""The share of the time until the next ones that a crowd's sessions are spread over: pauses last a little longer."""


class Pool:
    """Runs sessions side by side; only the loop's thread uses it, except for `wake`.

    `assign` gives a session its number and place, in the loop's thread; `begin` makes sessions that were assigned
    durable, and returns those that are to begin. `work` brings one to its record in its own thread, and may call its
    second argument to say that the session has vacated its place.
    """

    def __init__(
        self,
        assign: Callable[[Choice], Assignment],
        begin: Callable[[Sequence[Assignment]], Sequence[Assignment]],
        work: Callable[[Assignment, Callable[[], None]], SessionRecord],
    ) -> None:
        self._assign = assign
        self._begin = begin
        self._work = work
        self._news: SimpleQueue[News | None] = SimpleQueue()
        self._due: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = 0
        self._latest_s = -APART_S
        self._assigned: dict[int, Assignment] = {}
        self._placed: dict[int, Assignment] = {}
        self._landing: dict[int, Assignment] = {}

    @property
    def is_busy(self) -> bool:
        """Whether any session runs, which one that has a record does until its last hooks have ended."""
        return bool(self._landing or self._placed or self._assigned)

    @property
    def landing(self) -> tuple[Assignment, ...]:
        """The running sessions that have vacated their place."""
        return tuple(self._landing.values())

    @property
    def placed(self) -> tuple[Assignment, ...]:
        """The running sessions that still hold their place."""
        return (*self._placed.values(), *self._assigned.values())

    @property
    def assigned(self) -> int:
        """How many sessions wait for `begin`."""
        return len(self._assigned)

    def has_held_back(self) -> bool:
        """Wait for a moment if the next session would begin together with the latest one; says whether it has waited.

        So it is with the first sessions, each of which gets a new thread. Those that are assigned together begin as
        `begin` says.
        """
        pause_s = self._latest_s + APART_S - time.monotonic()
        if not self._lacks_thread or self._assigned or pause_s <= 0:
            return False
        time.sleep(pause_s)
        return True

    def assign(self, choice: Choice) -> None:
        """Assign a session; it takes up room from now on, and begins with `begin`."""
        self._latest_s = time.monotonic()
        session = self._assign(choice)
        self._assigned[session.seq] = session

    def begin(self, rest_s: Callable[[], float] = lambda: 0.0) -> None:
        """Run what was assigned, each session in a thread, which cannot keep the process from ending.

        In a crowd, where the next ones begin in `rest_s` seconds, these are spread over most of that time.
        """
        if not self._assigned:
            return
        sessions = tuple(self._assigned.values())
        self._assigned.clear()
        begun = self._begin(sessions)
        apart_s = min(APART_S, SPREAD * rest_s() / len(sessions))
        for nth, session in enumerate(begun):
            if nth and apart_s:
                time.sleep(apart_s)
            self._start(session)

    def _start(self, session: Assignment) -> None:
        def body() -> None:
            try:
                self._news.put(
                    (session.seq, self._work(session, lambda: self._news.put((session.seq, None))))
                )
            except BaseException as error:
                self._news.put((session.seq, error))

        if self._lacks_thread:
            self._add_thread()
        self._placed[session.seq] = session
        self._due.put(body)

    @property
    def _lacks_thread(self) -> bool:
        return self._threads <= len(self._landing) + len(self._placed) + len(self._assigned)

    def _add_thread(self) -> None:
        """Start one more thread. If the system starts no more, sessions wait for those there are.

        Raises PitbossError if there is none, since nobody would ever take the session.
        """
        thread = Thread(target=self._serve, name=f"sessions {self._threads + 1}", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            if self._threads == 0:
                raise PitbossError(NO_THREAD, hint=f"{SHORTAGES[EAGAIN]}; {GO_ON}") from error
        else:
            self._threads += 1

    def _serve(self) -> None:
        while (body := self._due.get()) is not None:
            body()

    def wait(self, limit_s: float, rest_s: Callable[[], float] = lambda: 0.0) -> list[SessionRecord]:
        """The records of the sessions that end next; raises what ended one.

        None of them if one vacates its place first, somebody calls `wake`, or none ends within `limit_s` seconds.
        Sessions that end within `rest_s` seconds of the first are included.
        """
        try:
            taken = [self._take(limit_s)]
        except Empty:
            return []
        if (pause_s := rest_s()) > 0:
            time.sleep(pause_s)
            with suppress(Empty):
                while True:
                    taken.append(self._take(0.0))
        for ended in taken:
            if isinstance(ended, BaseException):
                raise ended
        return [ended for ended in taken if isinstance(ended, SessionRecord)]

    def wake(self) -> None:
        """Have the waiting loop check again whether another session may start. Any thread may call this."""
        self._news.put(None)

    def drain(self) -> None:
        """Wait for all sessions, however they end: there is already an error to report."""
        self._assigned.clear()
        while self._placed or self._landing:
            self._take()

    def close(self) -> None:
        """End the threads, each of them once its session has ended."""
        for _ in range(self._threads):
            self._due.put(None)
        self._threads = 0

    def _take(self, limit_s: float | None = None) -> SessionRecord | BaseException | None:
        news = self._news.get(timeout=limit_s)
        if news is None:
            return None
        seq, ended = news
        session = self._placed.pop(seq, None) or self._landing.pop(seq)
        if ended is None:
            self._landing[seq] = session
        return ended
