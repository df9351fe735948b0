"""The rotation as a chooser: a conflict gets its second turn first, then the weighted rotation goes on (SPEC 3).

Sessions start strictly in turn. The next in line waits until there is room, and none overtakes it: a prompt that
has to run alone never starves behind those that share, nor they behind it. A prompt that has landed nothing too often
is not in line, and gets no second turn either (SPEC 11).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pitboss.core.chooser import Choice, Wait
from pitboss.core.choosers.room import Room
from pitboss.core.left_out import left_out
from pitboss.core.rotation import contenders
from pitboss.core.run import fold
from pitboss.core.scheduler import Exhausted, SchedulerState, next_pick, record_run
from pitboss.core.stops import Ending, StopReason

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pitboss.core.prompt import PromptDoc
    from pitboss.core.rotation import Rotation
    from pitboss.core.run import Retry, RunState
    from pitboss.core.scheduler import Contender
    from pitboss.core.session import Assignment, SessionRecord


class RotationChooser:
    """Chooses among `takers` by weight; a session that ended in conflict gets its second turn before that."""

    def __init__(self, takers: Sequence[Contender], room: Room | None = None) -> None:
        self._takers = tuple(takers)
        self._names = frozenset(taker.name for taker in takers)
        self._room = room or Room()

    @classmethod
    def of(
        cls, rotation: Rotation, prompts: Mapping[str, PromptDoc], room: Room | None = None
    ) -> RotationChooser:
        """The chooser of a rotation file."""
        return cls(contenders(rotation, prompts), room)

    def next(
        self, state: RunState, running: Sequence[Assignment], landing: Sequence[Assignment] = ()
    ) -> Choice | Wait | Ending:
        """See the port; a rotation ends when every prompt has had its runs."""
        turn = self._turn(state)
        if isinstance(turn, Ending):
            return Wait() if running or landing else turn
        return turn if self._room.is_free(turn.prompt, running, landing) else Wait()

    def advance(self, state: RunState, record: SessionRecord) -> RunState:
        """See the port. A record's own `rotation` is trusted; a record without one must be what the scheduler picks."""
        return fold(state, record, self._rescheduled(state.scheduler_state, record))

    def _turn(self, state: RunState) -> Choice | Ending:
        scheduler = dispatched_scheduler(state)
        out = {each.prompt for each in left_out(state)}
        due = _due_again(state, self._names - out)
        if due is not None:
            return self._choice(due.prompt, scheduler.rotation, retry_of=due.seq)
        picked = next_pick([taker for taker in self._takers if taker.name not in out], scheduler)
        if isinstance(picked, Exhausted):
            barren = " or landed nothing too often" if out & self._names else ""
            return Ending(reason=StopReason.EXHAUSTED, message=f"every prompt has had its runs{barren}")
        return self._choice(picked.name, picked.state.rotation)

    def _choice(self, prompt: str, rotation: int, *, retry_of: int | None = None) -> Choice:
        in_slot = self._room.in_slot(prompt)
        return Choice(prompt=prompt, rotation=rotation, in_slot=in_slot, retry_of=retry_of)

    def _rescheduled(self, state: SchedulerState, record: SessionRecord) -> SchedulerState | None:
        """The scheduler after a record that does not name its rotation: the Rust program's do not.

        That program knows no `max_barren`, so no prompt was left out when it chose.
        """
        if record.rotation is not None or record.is_no_turn:
            return None
        picked = next_pick(self._takers, state)
        if isinstance(picked, Exhausted) or picked.name != record.prompt:
            raise ValueError(f"the scheduler does not pick {record.prompt}")
        return record_run(picked.state, picked.name)


def dispatched_scheduler(state: RunState) -> SchedulerState:
    """The scheduler after every dispatch, including those in flight; second turns and queued tasks do not count."""
    scheduler = state.scheduler_state
    # As `is_no_turn` says, which takes too long for a thousand of them.
    picked = [
        each
        for session in state.in_flight
        if (each := session.assignment).retry_of is None and each.queued is None
    ]
    if not picked:
        return scheduler
    runs = Counter(scheduler.runs_per_prompt)
    runs.update([each.prompt for each in picked])
    return SchedulerState(rotation=picked[-1].rotation, runs_per_prompt=dict(runs))


def _due_again(state: RunState, names: Collection[str]) -> Retry | None:
    """The oldest conflict of one of these prompts whose second turn is not in flight yet."""
    if not state.conflicts:
        return None
    taken = {session.assignment.retry_of for session in state.in_flight}
    due = (each for each in state.conflicts if each.prompt in names and each.seq not in taken)
    return next(due, None)
