"""Asks a live run for something and waits for its answer: for commands and screens alike (SPEC 10).

Each request has an id, and the event that answers it repeats the id: of two people who ask at once, each gets the
answer to their own request.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pitboss.core.answers import Declined, Granted, NotLive, Silence
from pitboss.core.events import Aborting, CapsChanged, Draining, Paused, RunEnded, Skipping, Unpaused, Warned
from pitboss.store.catalogue import live_holder
from pitboss.store.event_log import decode_event
from pitboss.store.follow import EventFollower
from pitboss.store.mailbox import is_waiting, send
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.answers import Answer
    from pitboss.core.events import RunEvent
    from pitboss.core.requests import Request

PATIENCE_S = 5.0
"""Seconds to wait for an answer; a run looks into its mailbox ten times a second."""

_POLL_S = 0.05
_CHECK_LIVE_S = 0.5


def ask(repo: Path, run_id: str, what: Request, *, by: str, patience_s: float = PATIENCE_S) -> Answer:
    """Send a live run a request from the command `by`, and wait for the answer for `patience_s` seconds.

    Blocks: a screen calls it in a thread of its own. Raises StorageError, RunDirectoryGone.
    """
    inquiry = Inquiry(repo, run_id, what, by=by)
    give_up_at = time.monotonic() + patience_s
    while True:
        over = time.monotonic() >= give_up_at
        if (answer := inquiry.answer()) is not None:
            return answer
        if over:
            return Silence(waits=inquiry.waits)
        time.sleep(_POLL_S)


class Inquiry:
    """One request on its way, for those who look for the answer on a schedule of their own."""

    def __init__(self, repo: Path, run_id: str, what: Request, *, by: str) -> None:
        """Send it, if the run is live. Raises StorageError, RunDirectoryGone."""
        self._repo, self._paths = repo, RunPaths(repo, run_id)
        self._live = live_holder(repo, run_id) is not None
        self._check_at = time.monotonic() + _CHECK_LIVE_S
        self._events = EventFollower(self._paths, from_start=False)
        self.request = send(self._paths, what, by=by) if self._live else ""

    @property
    def waits(self) -> bool:
        """Whether the run has yet to take the request."""
        return is_waiting(self._paths, self.request)

    def answer(self) -> Answer | None:
        """The answer, if there is one by now. Raises StorageError."""
        if not self.request:
            return NotLive()
        over = not self._is_live()
        for line in self._events.new_lines():
            event = decode_event(line)
            if event is not None and (answer := self._answer_in(event)) is not None:
                return answer
        return NotLive() if over else None

    def _answer_in(self, event: RunEvent) -> Answer | None:
        match event:
            case Draining() | Aborting() | Skipping() | Paused() | Unpaused() | CapsChanged() if (
                event.request == self.request
            ):
                return Granted(deed=event)
            case Warned(text=text, request=self.request):
                return Declined(why=text)
            case RunEnded():
                return NotLive()
            case _:
                return None

    def _is_live(self) -> bool:
        """Whether the run was live the last time anybody checked, which is not at each look."""
        if self._live and time.monotonic() >= self._check_at:
            self._check_at = time.monotonic() + _CHECK_LIVE_S
            self._live = live_holder(self._repo, self._paths.run_id) is not None
        return self._live
