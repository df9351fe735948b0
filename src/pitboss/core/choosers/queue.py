"""The queue as a chooser: tasks come first, oldest before newer; while none waits, another chooser decides (SPEC 10).

A task takes its turn as any session does: it waits until there is room, and nobody overtakes it. So one that has to run
alone holds back new sessions until it has run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.chooser import Choice, Wait
from pitboss.core.choosers.rotation import dispatched_scheduler

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.chooser import Chooser
    from pitboss.core.choosers.room import Room
    from pitboss.core.run import RunState, WaitingTask
    from pitboss.core.session import Assignment, SessionRecord
    from pitboss.core.stops import Ending


class QueueChooser:
    """Chooses the tasks of the queue, and what the chooser `behind` it would choose when there are none."""

    def __init__(self, behind: Chooser, room: Room) -> None:
        self._behind = behind
        self._room = room

    def next(
        self, state: RunState, running: Sequence[Assignment], landing: Sequence[Assignment] = ()
    ) -> Choice | Wait | Ending:
        """See the port."""
        task = _due(state)
        if task is None:
            return self._behind.next(state, running, landing)
        if not self._room.is_free(task, running, landing):
            return Wait()
        return Choice(
            prompt=task.prompt,
            rotation=dispatched_scheduler(state).rotation,
            in_slot=self._room.in_slot(task),
            queued=task.id,
        )

    def advance(self, state: RunState, record: SessionRecord) -> RunState:
        """See the port. The record of a task moves no rotation, whichever chooser folds it."""
        return self._behind.advance(state, record)


def _due(state: RunState) -> WaitingTask | None:
    """The oldest task that is not in flight yet."""
    if not state.queue:
        return None
    taken = {session.assignment.queued for session in state.in_flight}
    return next((task for task in state.queue if task.id not in taken), None)
