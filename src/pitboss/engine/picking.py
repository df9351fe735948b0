"""Says what a live run starts next: takes in what was queued, then asks the chooser."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.chooser import Choice, Chooser, Wait
    from pitboss.core.session import Assignment
    from pitboss.core.stops import Ending
    from pitboss.engine.journal import Journal
    from pitboss.engine.task_queue import TaskQueue


class Picking:
    """Asks the chooser of a run whose queue may grow at any time."""

    def __init__(self, chooser: Chooser, journal: Journal, queue: TaskQueue) -> None:
        self._chooser = chooser
        self._journal = journal
        self._queue = queue

    def next(self, running: Sequence[Assignment], landing: Sequence[Assignment]) -> Choice | Wait | Ending:
        """As `Chooser.next`, with what waits in the queue at this moment."""
        self._queue.look()
        return self._chooser.next(self._journal.state, running, landing)
