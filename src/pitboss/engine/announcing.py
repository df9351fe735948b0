"""Announces what happens in a run to its viewers, including which prompt would come next (SPEC 9)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.chooser import upcoming
from pitboss.core.events import SessionEnded, SessionStarted, Warned
from pitboss.core.stops import StopLevel
from pitboss.store.opening import take_notices

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.chooser import Chooser
    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.events import AgentStep, Observer, RunEvent
    from pitboss.core.run import RunState
    from pitboss.core.session import Assignment, SessionRecord
    from pitboss.engine.control import Control
    from pitboss.engine.journal import Journal
    from pitboss.engine.ports import Hosts
    from pitboss.engine.spending import Spending


class Outlook:
    """Says which prompt would come next."""

    def __init__(self, chooser: Chooser, journal: Journal, control: Control, spending: Spending) -> None:
        self._chooser = chooser
        self._journal = journal
        self._control = control
        self._spending = spending
        self._known: tuple[RunState, str | None] | None = None

    def next_pick(self) -> str | None:
        """The prompt that would start next; None if no further session may start."""
        if self._control.level() is not StopLevel.NONE or self._spending.cap_reached() is not None:
            return None
        state, known = self._journal.state, self._known
        if known is None or known[0] is not state:
            choice = next(upcoming(self._chooser, state), None)
            known = self._known = (state, choice.prompt if choice else None)
        return known[1]


class Announcer:
    """Tells the run's observers what its sessions are doing, and on which of its `hosts`."""

    def __init__(self, emit: Observer, next_pick: Callable[[], str | None], hosts: Hosts) -> None:
        self._emit = emit
        self._next_pick = next_pick
        self._hosts = hosts

    def session_started(self, session: Assignment) -> None:
        """Announce that a session is in flight."""
        self._emit(
            SessionStarted(
                seq=session.seq,
                prompt=session.prompt,
                agent=session.agent,
                model=session.model,
                slot=session.worktree,
                host=self._hosts.of(session).name,
                retry_of=session.retry_of,
                queued=session.queued,
                next_pick=self._next_pick(),
            )
        )

    def session_ended(self, record: SessionRecord, diff: DiffStat | None = None) -> None:
        """Announce that a session has its record."""
        self._emit(SessionEnded(record=record, next_pick=self._next_pick(), diff=diff))

    def tell(self, event: RunEvent | AgentStep) -> None:
        """Pass on an event as it is."""
        self._emit(event)

    def warn(self, text: str) -> None:
        """Warn of something that does not stop the run."""
        self._emit(Warned(text=text))

    def notices(self) -> None:
        """Warn of anything found in the way of the run's own files since the last call (SPEC 1.6)."""
        for text in take_notices():
            self.warn(text)
