"""The outlet that turns a run's events into news for people who are away (SPEC 9, 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.events import RunStarted, SessionEnded, Step
from pitboss.core.needs import may_need
from pitboss.core.noticing import noticed
from pitboss.core.view import View, fold

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pitboss.core.events import RunEvent
    from pitboss.screens.notify.outbox import Outbox
    from pitboss.screens.notify.post import Post, Pulse


def face(moment: datetime) -> str:
    """How a notice writes a time: local, with its zone."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M %Z")


class NoticeOutlet:
    """Puts what is worth telling into the outbox; `post` and `pulse` begin with the run.

    `drop` ends what is being sent.
    """

    patience_s = 0.5

    def __init__(self, outbox: Outbox, post: Post, pulse: Pulse | None, drop: Callable[[], None]) -> None:
        self._outbox = outbox
        self._drop = drop
        self._post = post
        self._threads: list[Post | Pulse] = [post] if pulse is None else [post, pulse]
        self._view = View()

    def waits_as(self, event: RunEvent) -> RunEvent | None:
        """Steps are too many, and none is news."""
        return None if isinstance(event, Step) else event

    def __call__(self, event: RunEvent) -> None:
        """Take note of one event."""
        before, self._view = self._view, fold(self._view, event)
        if isinstance(event, RunStarted):
            self._outbox.begin()
            for thread in self._threads:
                thread.start()
        look = isinstance(event, SessionEnded) and may_need(event.record)
        if self._outbox.add(noticed(before, self._view, event, face)) or look:
            self._post.wake(look=look)

    def hurry(self) -> None:
        """The run is over: the rest is the guardian's."""
        for thread in self._threads:
            thread.close()
        self._drop()
