"""A run's loop: ask what comes next, start a session, take records back, repeat (SPEC 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.chooser import Choice, Wait
from pitboss.core.stops import Ending
from pitboss.engine.picking import Idle

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.engine.brakes import Brakes
    from pitboss.engine.control import Control
    from pitboss.engine.gate import Gate
    from pitboss.engine.journal import Journal
    from pitboss.engine.picking import Picking
    from pitboss.engine.pool import Pool

SESSIONS_BETWEEN_TIDYING = 500

MOST_AT_ONCE = 50
"""How many sessions may be assigned before the first of them begins."""

LOOK_S = 0.8
"""Seconds after which a waiting loop checks again whether it may go on: its time may be up, or a task queued.

Requests wake it earlier.
"""


class Loop:
    """One live run, until nothing more may start and nothing is in flight."""

    def __init__(
        self, picking: Picking, brakes: Brakes, pool: Pool, journal: Journal, control: Control, gate: Gate
    ) -> None:
        self._picking = picking
        self._brakes = brakes
        self._pool = pool
        self._journal = journal
        self._control = control
        self._gate = gate
        self._ended = 0

    def run(self, *, tidy: Callable[[], None]) -> Ending:
        """Run sessions until something says stop, and return what; an error in one session stops the others first.

        `tidy` is called now and then to keep the repository fast.
        """
        try:
            with self._control.bell.calling(self._pool.wake):
                return self._go_on(tidy)
        except BaseException:
            if self._pool.is_busy:
                self._control.abort()
                self._pool.drain()
            raise
        finally:
            self._pool.close()

    def is_used_up(self) -> bool:
        """Whether the run, now at rest, would find nothing to do if it was resumed."""
        return self._picking.nothing_left()

    def _go_on(self, tidy: Callable[[], None]) -> Ending:
        while not isinstance(step := self._next(), Ending):
            match step:
                case Choice() if self._pool.has_held_back():
                    pass  # meanwhile somebody may have asked for a stop
                case Choice():
                    self._pool.assign(step)
                    if not self._may_wait(step):
                        self._pool.begin()
                    if self._pool.is_busy and not step.in_slot:
                        self._take(tidy)  # no other session may start beside it
                case Wait() if not self._pool.is_busy:
                    raise AssertionError("nothing runs that could end")
                case _:  # Wait, Idle
                    self._take(tidy)
        return step

    def _next(self) -> Choice | Wait | Idle | Ending:
        """Stops come first, then pauses, then turns, then money.

        A session that exceeds the budget for now waits, and none overtakes it.
        """
        self._control.listen()
        busy, stop = self._pool.is_busy, self._brakes.why_stop()
        self._close_gate(closing=self._brakes.ends_waits(stop))
        if stop is not None:
            return Wait() if busy else stop
        step = Idle() if self._control.paused else self._picking.next(self._pool.placed, self._pool.landing)
        if isinstance(step, Idle) and not busy:
            self._journal.caught_up()
        if isinstance(step, Choice) and busy and not self._brakes.can_afford(step.cost_group):
            return Wait()
        return step

    def _close_gate(self, *, closing: bool) -> None:
        """Tell sessions whether to give up waits of hours; the bell rings if that has changed."""
        if closing != self._gate.closing:
            self._gate.closing = closing
            self._control.bell.ring()

    def _may_wait(self, choice: Choice) -> bool:
        """Whether an assigned session may wait for others, to share a write of the state.

        One with a task may not: if the task is gone, its number goes to the next session.
        """
        few = self._pool.assigned < MOST_AT_ONCE
        return self._journal.is_crowded and few and choice.in_slot and choice.queued is None

    def _take(self, tidy: Callable[[], None]) -> None:
        """Begin what was assigned, and take back what ends next; in a crowd, several sessions at a time."""
        self._pool.begin(self._journal.rest_s)
        self._journal.keep_up()
        for record in self._pool.wait(LOOK_S, self._journal.rest_s):
            self._brakes.take(record)
            self._ended += 1
            if self._ended % SESSIONS_BETWEEN_TIDYING == 0:
                tidy()
