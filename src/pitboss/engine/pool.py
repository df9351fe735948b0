"""The threads of the sessions in flight: one for each, its record or its error handed back to the loop."""

from __future__ import annotations

from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.chooser import Choice
    from pitboss.core.session import Assignment, SessionRecord


class Pool:
    """Runs sessions side by side; only the loop's thread talks to it.

    `dispatch` puts a session on record in the loop's thread; `work` brings it to its record in one of its own.
    """

    def __init__(
        self, dispatch: Callable[[Choice], Assignment], work: Callable[[Assignment], SessionRecord]
    ) -> None:
        self._dispatch = dispatch
        self._work = work
        self._ended: SimpleQueue[tuple[int, SessionRecord | BaseException]] = SimpleQueue()
        self._running: dict[int, Assignment] = {}

    @property
    def running(self) -> tuple[Assignment, ...]:
        """The sessions not taken back yet; one with a record counts while its last hooks run."""
        return tuple(self._running.values())

    def start(self, choice: Choice) -> None:
        """Dispatch a session and run it in a thread of its own, which cannot keep the process from ending."""
        session = self._dispatch(choice)

        def body() -> None:
            try:
                self._ended.put((session.seq, self._work(session)))
            except BaseException as error:
                self._ended.put((session.seq, error))

        self._running[session.seq] = session
        Thread(target=body, name=f"session-{session.seq}", daemon=True).start()

    def next_ended(self) -> SessionRecord:
        """Wait for the next session to end and return its record; raises what ended it otherwise."""
        ended = self._take()
        if isinstance(ended, BaseException):
            raise ended
        return ended

    def drain(self) -> None:
        """Wait for all sessions, however they end: there is an error to report already."""
        while self._running:
            self._take()

    def _take(self) -> SessionRecord | BaseException:
        if not self._running:
            raise AssertionError("nothing runs that could end")
        seq, ended = self._ended.get()
        del self._running[seq]
        return ended
