"""The threads that send a live run's notices and its heartbeat (SPEC 12)."""

from __future__ import annotations

import time
from threading import Condition, Event, Thread
from typing import TYPE_CHECKING, Any

from pitboss.core.notice import Notice
from pitboss.screens.notify.errands import COMMAND, ROUND_S, Letter, Round

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pitboss.core.notice import Address, News, Owed
    from pitboss.screens.notify.errands import Errands
    from pitboss.screens.notify.outbox import Outbox

GATHER_S = 1.0
"""Seconds within which news goes out together, even when nothing was sent for long."""


def addressed(
    owed: Mapping[str, Owed], addresses: Mapping[str, Address], repository: str, run_id: str
) -> Round:
    """What is owed, as messages: to each address its own."""
    notices = {
        channel: Notice(repository=repository, run_id=run_id, owed=each) for channel, each in owed.items()
    }
    letters = tuple(
        Letter(channel=channel, url=addresses[channel].url or "", title=notice.title, body=notice.text)
        for channel, notice in notices.items()
        if channel != COMMAND
    )
    return Round(letters=letters, event=notices[COMMAND].as_json() if COMMAND in notices else None)


class Post(Thread):
    """Sends what `outbox` holds: the first news soon, then at most once in `min_interval_s` seconds.

    `needs` says what needs a person now: asked for only before something is sent. What is not sent by the end is left
    to the guardian.
    """

    def __init__(
        self,
        outbox: Outbox,
        errands: Errands,
        address: Callable[[Mapping[str, Owed]], Round],
        needs: Callable[[], Iterable[News]],
        failed: Callable[[str, str], None],
        min_interval_s: float,
    ) -> None:
        super().__init__(name="notices", daemon=True)
        self._outbox = outbox
        self._errands = errands
        self._address = address
        self._needs = needs
        self._failed = failed
        self._min_interval_s = min_interval_s
        self._sent_at: float | None = None
        self._look = self._over = False
        self._news = Condition()

    def wake(self, *, look: bool = False) -> None:
        """There is news; `look`: somebody may be needed."""
        with self._news:
            self._look |= look
            self._news.notify()

    def close(self) -> None:
        """Send nothing more, and give up what is being sent; returns at once."""
        self._over = True
        with self._news:
            self._news.notify()

    def run(self) -> None:
        """Send until the run is over."""
        while self._due():
            with self._news:
                look, self._look = self._look, False
            if look:
                self._outbox.add(self._needs())
            sent = self._outbox.owed()
            if sent:
                failures = self._errands.run(self._address(sent), ROUND_S, lambda: self._over)
                self._sent_at = time.monotonic()
                if not self._over:
                    self._settle(sent, failures)

    def _settle(self, sent: Mapping[str, Owed], failures: Mapping[str, str]) -> None:
        self._outbox.settle(sent, failures)
        for channel, reason in failures.items():
            self._failed(channel, reason)

    def _due(self) -> bool:
        """Wait until something may be sent; False once the run is over."""
        with self._news:
            self._news.wait_for(lambda: self._over or self._look or bool(self._outbox.owed()))
            soon = time.monotonic() + GATHER_S
            at = soon if self._sent_at is None else max(soon, self._sent_at + self._min_interval_s)
            self._news.wait_for(lambda: self._over, timeout=max(0.0, at - time.monotonic()))
            return not self._over


class Pulse(Thread):
    """Asks for an address at once and then every `every_s` seconds: that it goes silent is the alarm."""

    def __init__(
        self, beat: Letter, every_s: float, errands: Errands, failed: Callable[[str, str], Any]
    ) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._beat = Round(letters=(beat,))
        self._every_s = every_s
        self._errands = errands
        self._failed = failed
        self._over = Event()

    def close(self) -> None:
        """No further beat; returns at once."""
        self._over.set()

    def run(self) -> None:
        """Beat until the run is over; a beat that takes long puts off the next one."""
        due = time.monotonic()
        while not self._over.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._every_s, time.monotonic())
            for channel, reason in self._errands.run(self._beat, ROUND_S, self._over.is_set).items():
                if not self._over.is_set():
                    self._failed(channel, reason)
