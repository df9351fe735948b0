"""Somebody who steers a run all the time, so that a request is on its way whenever the run dies (SPEC 10)."""

from __future__ import annotations

import json
import threading
from itertools import count
from typing import TYPE_CHECKING

from pitboss.core.answers import Declined, Granted, NotLive, Silence
from pitboss.core.budget import CapChanges
from pitboss.core.events import CapsChanged
from pitboss.core.requests import ChangeCaps, Pause, Unpause
from pitboss.store.asking import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.core.answers import Answer
    from pitboss.core.requests import Request
    from tests.chaos.scenario import Place

LOWEST_CAP = 1000
"""More sessions than any run here has: these caps end none."""

_REST_S = 0.02


class Hand:
    """Pauses, raises the cap of sessions by one, unpauses, and so on: each request once the last is answered."""

    def __init__(self, place: Place) -> None:
        self.answers = 0
        self.wrong: list[str] = []
        self.promised = 0
        self.sent = 0
        self._place = place
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._steer)

    def __enter__(self) -> Hand:
        """Begin to steer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Steer no more."""
        self._over.set()
        self._thread.join()

    def lost(self) -> list[str]:
        """What does not hold of the requests, once the run is at rest: a cap that was granted is in its state."""
        state = json.loads(
            (self._place.repo / f".pitboss/grind/runs/{self._place.run_id()}/state.json").read_text()
        )
        cap = state["caps"]["max_iterations"] or 0
        found = (
            [] if self.promised <= cap <= self.sent else [f"the cap is {cap}, granted was {self.promised}"]
        )
        return [*self.wrong, *found, *(["the run is paused"] if state.get("paused") else [])]

    def _steer(self) -> None:
        for what in self._requests():
            if self._over.is_set():
                return
            run_id = self._place.run_id()
            answer = NotLive() if run_id is None else ask(self._place.repo, run_id, what, by="hand")
            self._heard(what, answer)

    def _requests(self) -> Iterator[Request]:
        for cap in count(LOWEST_CAP):
            self.sent = cap
            yield from (Pause(), ChangeCaps(caps=CapChanges(max_iterations=cap)), Unpause())

    def _heard(self, what: Request, answer: Answer) -> None:
        match answer:
            case Granted(deed=CapsChanged(caps=caps)):
                self.answers, self.promised = self.answers + 1, caps.max_iterations or 0
            case Granted():
                self.answers += 1
            case NotLive():
                self._over.wait(_REST_S)
            case Declined(why=why):
                self.wrong.append(f"{what} was declined: {why}")
            case Silence():
                self.wrong.append(f"{what} was not answered")
