"""The second half of recovery: every session that was in flight gets its one record (SPEC 7).

The first half is `engine.mending`: sessions can only be settled once the run's files are whole again. Each is settled
by the steps of normal operation, which detect what was done before the crash and do not repeat it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import msgspec

from pitboss.core.events import Repaired
from pitboss.core.recovery import repairs
from pitboss.core.session import IMPLEMENTER, Outcome, Reason, SessionStatus
from pitboss.store.end_marker import ended_ns, last_seen_ns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.events import Observer
    from pitboss.core.recovery.repairs import Repair
    from pitboss.core.session import Assignment, Landing, SessionRecord
    from pitboss.engine.agent_files import AgentFiles
    from pitboss.engine.billing import Billing
    from pitboss.engine.control import Control
    from pitboss.engine.journal import Journal
    from pitboss.engine.session import SessionRunner


class Remains(Protocol):
    """What a dead run's sessions left outside the run directory."""

    def expect(self, plan: Sequence[Repair]) -> None:
        """Before anything is removed, work out which sessions will have their record once `plan` is done."""
        ...

    def landing(self, seq: int) -> Landing:
        """Where a landed session's work went."""
        ...

    def lost_record(self, seq: int) -> SessionRecord:
        """A record for a session whose own is lost."""
        ...

    def retry_rescue(self, seq: int, *, elsewhere: bool) -> None:
        """Retry rescuing the work a recorded session left in its tree; `elsewhere`: the tree is now another's."""
        ...

    def remove_worktree(self, path: str) -> None:
        """Remove a working copy; what it still holds is rescued first."""
        ...

    def remove_branch(self, name: str) -> None:
        """Delete a session's branch; what is on no other branch is rescued first."""
        ...

    def remove_lease(self, seq: int) -> None:
        """Delete a session's lease and what its worker pushed; what did not land is rescued first."""
        ...


class Autopsy:
    """Establishes how a session ended when its runner died."""

    def __init__(
        self, billing: Billing, journal: Journal, files: AgentFiles, now: Callable[[], datetime]
    ) -> None:
        self._billing = billing
        self._journal = journal
        self._files = files
        self._now = now

    def count_cut_wait(self, seq: int) -> None:
        """Count how long the session had waited when its run died, if the guardian saw when it did."""
        ended = ended_ns(self._journal.rundir.paths)
        if ended is None:
            return
        if waited_s := self._journal.progress(seq).cut_wait_s(_time(ended)):
            self._journal.waited(seq, waited_s)

    def interrupted(self, seq: int) -> Outcome:
        """The outcome of a session that was cut short: aborted, and billed from what it left."""
        session, ended = self._journal.assignment(seq), self._journal.progress(seq).outcome
        if ended is None:
            return self._unfinished(session)
        return msgspec.structs.replace(
            self._billing.fixers(session, ended),
            status=SessionStatus.ABORTED,
            reason=str(Reason.INTERRUPTED),
            verified=True,
        )

    def _unfinished(self, session: Assignment) -> Outcome:
        outcome = Outcome(
            status=SessionStatus.ABORTED,
            reason=str(Reason.INTERRUPTED),
            ended_at=max(session.started_at, self._died_at(session.seq)),
            summary=self._files.summary(session.seq),
        )
        if session.agent is None:
            return msgspec.structs.replace(outcome, cost_known=False)
        worked = self._billing.implementer(session)
        billed = outcome.bill(IMPLEMENTER, worked.usage)
        return msgspec.structs.replace(billed, model=worked.last.model, agent=worked.agent)

    def _died_at(self, seq: int) -> datetime:
        """When the session ended with its run, as far as can be told: hours may have passed since."""
        now, seen = self._now(), last_seen_ns(self._journal.rundir.paths, seq)
        return now if seen is None else min(now, _time(seen))


def _time(nanoseconds: int) -> datetime:
    return datetime.fromtimestamp(nanoseconds / 10**9, UTC)


class Settling:
    """Settles the sessions of a run whose files are whole again, repair by repair."""

    def __init__(
        self,
        sessions: SessionRunner,
        autopsy: Autopsy,
        remains: Remains,
        journal: Journal,
        control: Control,
        emit: Observer,
    ) -> None:
        self._sessions = sessions
        self._autopsy = autopsy
        self._remains = remains
        self._journal = journal
        self._control = control
        self._emit = emit

    def settle(self, plan: Sequence[Repair]) -> list[SessionRecord]:
        """Give every session that was in flight, or whose record is lost, its one record; returns those."""
        self._remains.expect(plan)
        made: list[SessionRecord] = []
        for repair in plan:
            self._emit(Repaired(text=repair.describe()))
            if record := self._apply(repair):
                made.append(record)
        return made

    def _apply(self, repair: Repair) -> SessionRecord | None:
        match repair:
            case repairs.CompleteSession():
                return self._complete(repair)
            case repairs.AbortSession():
                return self._abort(repair)
            case repairs.RestoreRecord(seq=seq):
                record = self._remains.lost_record(seq)
                self._journal.recorded(record)
                return record
            case repairs.RescueLeft(seq=seq, elsewhere=elsewhere):
                self._remains.retry_rescue(seq, elsewhere=elsewhere)
            case repairs.RemoveWorktree(path=path):
                self._remains.remove_worktree(path)
            case repairs.RemoveSessionBranch(name=name):
                self._remains.remove_branch(name)
            case repairs.RemoveLease(seq=seq):
                self._remains.remove_lease(seq)
            case _:
                pass  # files were repaired before there was a journal
        return None

    def _complete(self, repair: repairs.CompleteSession) -> SessionRecord:
        seq = repair.seq
        self._take_up(seq)
        if repair.elsewhere:
            return self._sessions.conclude_elsewhere(seq, self._remains.landing(seq))
        return self._sessions.conclude(seq, again=True)

    def _abort(self, repair: repairs.AbortSession) -> SessionRecord:
        seq = repair.seq
        self._take_up(seq)
        self._journal.ended(seq, self._autopsy.interrupted(seq))
        if repair.elsewhere:
            return self._sessions.conclude_elsewhere(seq)
        return self._sessions.conclude(seq, again=True)

    def _take_up(self, seq: int) -> None:
        self._control.began(seq)
        self._autopsy.count_cut_wait(seq)
