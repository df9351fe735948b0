"""The threads of the sessions in flight: one each, with its record or error handed back to the loop.

A thread whose session has ended takes the next one: to start a thread takes longer than to wake one.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.chooser import Choice
    from pitboss.core.session import Assignment, SessionRecord


class Pool:
    """Runs sessions side by side; only the loop's thread talks to it.

    `dispatch` notes a session as in flight, in the loop's thread; None says that it is not to begin after all. `work`
    brings it to its record in its own thread, and may call its second argument to say that the session has vacated its
    place.
    """

    def __init__(
        self,
        dispatch: Callable[[Choice], Assignment | None],
        work: Callable[[Assignment, Callable[[], None]], SessionRecord],
    ) -> None:
        self._dispatch = dispatch
        self._work = work
        self._news: SimpleQueue[tuple[int, SessionRecord | BaseException | None]] = SimpleQueue()
        self._due: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = 0
        self._running: dict[int, Assignment] = {}
        self._landing: set[int] = set()

    @property
    def running(self) -> tuple[Assignment, ...]:
        """The sessions not taken back yet; one that has a record counts while its last hooks run."""
        return tuple(self._running.values())

    @property
    def landing(self) -> tuple[Assignment, ...]:
        """The running sessions that have vacated their place."""
        return tuple(self._running[seq] for seq in sorted(self._landing))

    @property
    def placed(self) -> tuple[Assignment, ...]:
        """The running sessions that still hold their place."""
        return tuple(session for seq, session in self._running.items() if seq not in self._landing)

    def start(self, choice: Choice) -> None:
        """Dispatch a session and run it in a thread, which cannot keep the process from ending."""
        session = self._dispatch(choice)
        if session is None:
            return

        def body() -> None:
            try:
                self._news.put(
                    (session.seq, self._work(session, lambda: self._news.put((session.seq, None))))
                )
            except BaseException as error:
                self._news.put((session.seq, error))

        self._running[session.seq] = session
        self._due.put(body)
        if self._threads < len(self._running):
            self._threads += 1
            Thread(target=self._serve, name=f"sessions {self._threads}", daemon=True).start()

    def _serve(self) -> None:
        while (body := self._due.get()) is not None:
            body()

    def wait(self, limit_s: float) -> SessionRecord | None:
        """The record of the session that ends next; raises what ended it.

        None if one vacates its place first, or none ends within `limit_s` seconds.
        """
        try:
            ended = self._take(limit_s)
        except Empty:
            return None
        if isinstance(ended, BaseException):
            raise ended
        return ended

    def drain(self) -> None:
        """Wait for all sessions, however they end: there is already an error to report."""
        while self._running:
            self._take()

    def close(self) -> None:
        """End the threads, each of them once its session has ended."""
        for _ in range(self._threads):
            self._due.put(None)
        self._threads = 0

    def _take(self, limit_s: float | None = None) -> SessionRecord | BaseException | None:
        seq, ended = self._news.get(timeout=limit_s)
        if ended is None:
            self._landing.add(seq)
        else:
            del self._running[seq]
            self._landing.discard(seq)
        return ended
