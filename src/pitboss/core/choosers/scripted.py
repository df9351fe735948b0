"""A chooser that plays a script, for testing whatever asks a chooser."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.chooser import Choice, Wait
from pitboss.core.choosers.room import Room
from pitboss.core.choosers.rotation import dispatched_scheduler
from pitboss.core.run import fold
from pitboss.core.stops import Ending, StopReason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.run import RunState
    from pitboss.core.session import Assignment, SessionRecord


class ScriptedChooser:
    """Chooses the prompts of a script, in its order, and ends after the last one."""

    def __init__(self, script: Sequence[str], room: Room | None = None) -> None:
        self._script = tuple(script)
        self._room = room or Room()

    def next(
        self, state: RunState, running: Sequence[Assignment], landing: Sequence[Assignment] = ()
    ) -> Choice | Wait | Ending:
        """See the port; the number of dispatches so far tells how far the script has come."""
        played = dispatched_scheduler(state).rotation
        if played >= len(self._script):
            over = Ending(reason=StopReason.EXHAUSTED, message="the script has ended")
            return Wait() if running or landing else over
        prompt = self._script[played]
        if not self._room.is_free(prompt, running, landing):
            return Wait()
        return Choice(prompt=prompt, rotation=played + 1, in_slot=self._room.in_slot(prompt))

    def advance(self, state: RunState, record: SessionRecord) -> RunState:
        """See the port."""
        return fold(state, record)
