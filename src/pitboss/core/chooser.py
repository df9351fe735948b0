"""The Chooser port: which session a run starts next, decided from its state alone (SPEC 3).

A chooser is two pure functions. All that its answers depend on is in the run's state, so a live run, a dry run,
`status` and a replay of the log get the same answers, however often they ask.

The port leaves room for other choosers:

- A phased plan. `advance` works out the phase from the records and keeps it in the state. `next` asks the chooser of
  that phase, and answers `Wait` while the record of a session in flight may still end the phase.
- A reason to leave prompts out, as `core.left_out` has one: `advance` counts, `next` reads the count and its limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from pitboss.core.session import Assignment, InFlight, cost_group

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord
    from pitboss.core.stops import Ending


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The session to start: `in_slot` in a working copy of its own, `retry_of` the one that ended in conflict.

    `queued` is the id of a task from the queue, whose name is then `prompt`.
    """

    prompt: str
    rotation: int
    in_slot: bool = False
    retry_of: int | None = None
    queued: str | None = None

    @property
    def cost_group(self) -> str:
        """As that of the assignment which it leads to."""
        return cost_group(self.prompt, self.queued)


class Wait(msgspec.Struct, frozen=True):
    """No session can start before one in flight has ended."""


class Chooser(Protocol):
    """Decides whose turn it is. Stops, budgets and the streak of failures are the loop's business."""

    def next(
        self, state: RunState, running: Sequence[Assignment], landing: Sequence[Assignment] = ()
    ) -> Choice | Wait | Ending:
        """What a run in `state` does next, while the sessions in `running` take up room.

        Those in `landing` have vacated their place and wait for their turn to land. `state.in_flight` holds every
        dispatch without a record. `running` may differ from it: a session that has its record still runs while its
        last hooks do, and a forecast passes none. The answer is `Wait` only while something runs or is in flight;
        `Ending` only when nothing that runs could change it. An `Ending` holds for one state: a task that is queued
        meanwhile makes another one.
        """
        ...

    def advance(self, state: RunState, record: SessionRecord) -> RunState:
        """The state after one more record; the live run and a replay of the log both use this.

        Raises ValueError when `record` is not the next one, or not what the chooser would have started.
        """
        ...


def upcoming(chooser: Chooser, state: RunState) -> Iterator[Choice]:
    """Yield the sessions that a run in `state` would start if there were room for all and none ended."""
    while isinstance(choice := chooser.next(state, ()), Choice):
        yield choice
        state = _dispatched(state, choice)


def _dispatched(state: RunState, choice: Choice) -> RunState:
    assignment = Assignment(
        seq=max([state.last_session_seq, *(s.seq for s in state.in_flight)]) + 1,
        prompt=choice.prompt,
        rotation=choice.rotation,
        started_at=state.last_updated_at,
        base_commit="",
        retry_of=choice.retry_of,
        queued=choice.queued,
    )
    return msgspec.structs.replace(state, in_flight=(*state.in_flight, InFlight.begin(assignment)))
