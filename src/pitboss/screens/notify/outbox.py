"""What each address is owed: news waits here until it has arrived (SPEC 12)."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from pitboss.core.notice import Owed
from pitboss.screens.notify.handover import Left

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pitboss.core.config import Topic
    from pitboss.core.notice import News
    from pitboss.screens.notify.handover import Handover


class Outbox:
    """The news owed to each of `channels`, as far as it is about something in `on`. Any thread may call it.

    Every change goes to `handover` at once, so that no kill loses it.
    """

    def __init__(self, channels: Sequence[str], on: Sequence[Topic], handover: Handover) -> None:
        self._lock = Lock()
        self._on = on
        self._handover = handover
        self._began = False
        self._owed = dict.fromkeys(channels, Owed())
        self._told: dict[str, None] = {}
        self._warned: dict[str, None] = {}

    def begin(self) -> None:
        """The run has been announced."""
        with self._lock:
            self._began = True
            self._hand_over()

    def add(self, news: Iterable[News]) -> bool:
        """Owe this to every channel; returns whether anything was new to them. Each text is told once a run."""
        with self._lock:
            fresh = [each for each in news if each.topic in self._on and each.text not in self._told]
            if fresh:
                self._told |= dict.fromkeys(each.text for each in fresh)
                self._owed = {channel: owed.plus(fresh) for channel, owed in self._owed.items()}
                self._hand_over()
            return bool(fresh)

    def owed(self) -> dict[str, Owed]:
        """What is owed to those channels that are owed anything."""
        with self._lock:
            return {channel: owed for channel, owed in self._owed.items() if owed}

    def settle(self, sent: Mapping[str, Owed], failed: Iterable[str]) -> None:
        """Note that what was sent has arrived, except on the channels that `failed`."""
        left = set(failed)
        with self._lock:
            for channel, owed in sent.items():
                if channel not in left:
                    self._owed[channel] = self._owed[channel].minus(owed)
            self._hand_over()

    def first_failure(self, channel: str) -> bool:
        """Whether this is the first failure of a channel in this run: only that is worth a warning."""
        with self._lock:
            if channel in self._warned:
                return False
            self._warned[channel] = None
            self._hand_over()
            return True

    def _hand_over(self) -> None:
        left = Left(began=self._began, owed=self._owed, told=tuple(self._told), warned=tuple(self._warned))
        self._handover.write(left)
