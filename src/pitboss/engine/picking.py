"""Says what a live run starts next: takes in what was queued or edited, then asks the chooser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.chooser import Choice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.chooser import Chooser, Wait
    from pitboss.core.session import Assignment
    from pitboss.core.stops import Ending
    from pitboss.engine.journal import Journal
    from pitboss.engine.ports import Places


class Idle:
    """Nothing may start for now, whether or not sessions are in flight."""


class Picking:
    """Asks the chooser of a run whose queue and prompts may change at any time."""

    def __init__(
        self, chooser: Chooser, journal: Journal, places: Places, looks: Sequence[Callable[[], None]]
    ) -> None:
        """Each of `looks` brings what changed outside into the run's state."""
        self._chooser = chooser
        self._journal = journal
        self._places = places
        self._looks = looks

    def next(
        self, running: Sequence[Assignment], landing: Sequence[Assignment]
    ) -> Choice | Wait | Idle | Ending:
        """As `Chooser.next`, with what is outside at this moment; Idle while there is no place for its choice."""
        for look in self._looks:
            look()
        busy = bool(running or landing)
        if busy and not self._places.has_room():
            return Idle()  # whatever the chooser says: while something runs, the run is not over
        step = self._chooser.next(self._journal.state, running, landing)
        return Idle() if isinstance(step, Choice) and not (busy or self._places.has_room()) else step
