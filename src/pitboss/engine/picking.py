"""Says what a live run starts next: takes in what was queued or edited, and asks the chooser."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pitboss.core.chooser import Choice, Wait
from pitboss.core.stops import Ending

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.chooser import Chooser
    from pitboss.core.session import Assignment
    from pitboss.engine.journal import Journal
    from pitboss.engine.ports import Places


LOOK_AGAIN_S = 0.4
"""Seconds between two looks outside while nothing may start."""


class Idle:
    """Nothing may start for now, whether or not sessions are in flight."""


class Picking:
    """Asks the chooser, while queue and prompts may change at any time."""

    def __init__(
        self, chooser: Chooser, journal: Journal, places: Places, looks: Sequence[Callable[[], None]]
    ) -> None:
        """Each of `looks` brings what changed outside into the run's state."""
        self._chooser = chooser
        self._journal = journal
        self._places = places
        self._looks = looks
        self._look_at = float("-inf")

    def next(
        self, running: Sequence[Assignment], landing: Sequence[Assignment]
    ) -> Choice | Wait | Idle | Ending:
        """As `Chooser.next`, after taking in changes from outside; Idle while there is no place for its choice.

        While no session may start, which is most of the time, changes are taken in only now and then.
        """
        state = self._journal.state
        step = self._ask(running, landing)
        if isinstance(step, Wait | Idle) and time.monotonic() < self._look_at:
            return step
        for look in self._looks:
            look()
        self._look_at = time.monotonic() + LOOK_AGAIN_S
        return step if self._journal.state is state else self._ask(running, landing)

    def nothing_left(self) -> bool:
        """Whether no prompt has a turn left and no task waits, so that a resumed run would end at once."""
        return isinstance(self._chooser.next(self._journal.state, ()), Ending)

    def _ask(
        self, running: Sequence[Assignment], landing: Sequence[Assignment]
    ) -> Choice | Wait | Idle | Ending:
        busy = bool(running or landing)
        if busy and not self._places.has_room():
            return Idle()  # whatever the chooser says: while something runs, the run is not over
        step = self._chooser.next(self._journal.state, running, landing)
        return Idle() if isinstance(step, Choice) and not (busy or self._places.has_room()) else step
