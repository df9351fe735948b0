"""The run's memory: the only writer of its state and log, in an order that makes a crash harmless (SPEC 7).

    assigned     in flight, in memory: another session may be assigned before either starts
    dispatched   all assigned sessions, durable, before anything in them starts
    started      the agent's pid: for this boot only, so its file name is not synced
    ended        the outcome, durable, before anything lands
    recorded     the log line, durable: the commit point; then its entry in sessions.md

Parallel sessions that write at the same time share one write of the state: `engine.state_writer`.

state.json is written by `dispatched`, `ended` and `finished`, so the checkpoint of one session usually
rides on the dispatch of the next: until then the log is ahead, and a resume replays it. Each step
replaces one file atomically or appends one line; `docs/explain/durability.md` lists what a crash after
each leaves behind. Safe to call from several session threads.
"""

from __future__ import annotations

from contextlib import suppress
from functools import reduce
from threading import RLock
from typing import TYPE_CHECKING

import msgspec

from pitboss.core import by_seq
from pitboss.core.run import charge, spend, spend_outcomes
from pitboss.core.session import InFlight
from pitboss.engine.latest_sessions import LatestSessions
from pitboss.engine.state_writer import StateWriter
from pitboss.errors import StorageError
from pitboss.store import sessions_md

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pitboss.core.budget import BudgetSnapshot, Caps, PromptSpend
    from pitboss.core.chooser import Chooser
    from pitboss.core.quota import Quota
    from pitboss.core.run import RunState, WaitingTask
    from pitboss.core.selection import Selection
    from pitboss.core.session import Assignment, Outcome, Progress, SessionRecord
    from pitboss.core.stops import RunStatus
    from pitboss.engine.attempt import Attempt
    from pitboss.store.rundir import RunDir


class Journal:
    """Holds a run's state, and makes every change to it durable before anyone acts on it."""

    def __init__(
        self, rundir: RunDir, state: RunState, chooser: Chooser, clock: Callable[[], datetime]
    ) -> None:
        self._chooser = chooser
        self._rundir = rundir
        self._state = state
        self._clock = clock
        self._lock = RLock()
        self._version = 0
        self._writer = StateWriter(rundir, self._lock, lambda: (self._state, self._version))
        self._early: dict[int, SessionRecord] = {}
        self._outcomes = _outcomes(state)
        self._counted: tuple[BudgetSnapshot, int] | None = None
        """The sum of all records, and how many of their sessions are in flight; None after a new record."""
        self._latest = LatestSessions(rundir.paths.log)
        self._projection_lags = False

    @property
    def state(self) -> RunState:
        """The fold of all records so far, and what is in flight."""
        return self._state

    @property
    def rundir(self) -> RunDir:
        """The directory this journal writes to."""
        return self._rundir

    @property
    def running(self) -> tuple[InFlight, ...]:
        """The sessions in flight that have no record; `state` keeps those that ended before an earlier one."""
        with self._lock:
            if not self._early:
                return self._state.in_flight
            return tuple(s for s in self._state.in_flight if s.assignment.seq not in self._early)

    @property
    def outcomes(self) -> dict[int, Outcome]:
        """The outcomes of those of `running` whose agents are done, found without looking at each."""
        with self._lock:
            return {seq: self._outcomes[seq] for seq in sorted(self._outcomes)}

    @property
    def consumed(self) -> BudgetSnapshot:
        """What all records have used, including those that wait for an earlier one to be folded."""
        return self.spent()[0]

    @property
    def spend_per_prompt(self) -> dict[str, PromptSpend]:
        """What the sessions of each prompt have cost, by the records that `consumed` counts."""
        with self._lock:
            early = (self._early[seq] for seq in sorted(self._early))
            return reduce(charge, early, self._state.spend_per_prompt)

    @property
    def is_crowded(self) -> bool:
        """Whether so many sessions are in flight that they share writes of the state."""
        return self._writer.is_crowded

    def spent(self) -> tuple[BudgetSnapshot, int]:
        """`consumed`, and how many sessions it does not count yet, at one moment."""
        with self._lock:
            in_flight = self._state.in_flight
            if self._counted is None:
                early = (self._early[seq] for seq in sorted(self._early))
                used = reduce(spend, early, self._state.budget_consumed)
                self._counted = used, sum(by_seq.find(in_flight, seq) is not None for seq in self._early)
            used, recorded = self._counted
            return used, len(in_flight) - recorded

    def spent_with_outcomes(self) -> tuple[BudgetSnapshot, int]:
        """`spent`, and what sessions used whose agents are done and that have no record yet."""
        with self._lock:
            used, running = self.spent()
            return spend_outcomes(used, self._outcomes.values()), running

    def spending(self) -> tuple[BudgetSnapshot, tuple[int, ...]]:
        """`consumed`, and the numbers of the sessions it does not count yet, at one moment."""
        with self._lock:
            return self.consumed, tuple(session.seq for session in self.running)

    def latest_sessions(self) -> list[str]:
        """The latest records in the log, one line each, as agents are shown them."""
        with self._lock:
            return self._latest.lines()

    def next_seq(self) -> int:
        """The number that the next dispatched session gets."""
        return self._state.latest_seq + 1

    def session(self, seq: int) -> InFlight:
        """The session in flight with that number."""
        found = by_seq.find(self._state.in_flight, seq)
        if found is None:
            raise AssertionError(f"session {seq} is not in flight")
        return found

    def assignment(self, seq: int) -> Assignment:
        """What dispatch decided for the session in flight with that number."""
        return self.session(seq).assignment

    def progress(self, seq: int) -> Progress:
        """How far the session in flight with that number has got."""
        return self.session(seq).progress

    def outcome(self, seq: int) -> Outcome:
        """The outcome of the session in flight with that number, which must have one."""
        outcome = self.progress(seq).outcome
        if outcome is None:
            raise AssertionError(f"the outcome of session {seq} is not written yet")
        return outcome

    def assigned(self, assignment: Assignment) -> None:
        """Put a session in flight, in memory only: nothing in it may start before `dispatched`."""
        with self._lock:
            self._replace(in_flight=by_seq.put(self._state.in_flight, InFlight.begin(assignment)))

    def dispatched(self) -> None:
        """Write that the sessions assigned so far are about to start; durable when this returns."""
        self._writer.write(durable=True, at_once=True)

    def withdrawn(self, seq: int) -> None:
        """Forget a session that was dispatched and did not begin; its number goes to the next one.

        A power cut, and in a crowd any crash, may undo this: then the session gets the record of one that was cut
        short.
        """
        with self._lock:
            self._replace(in_flight=by_seq.without(self._state.in_flight, seq))
        self._writer.write(durable=False)

    def queued(self, tasks: tuple[WaitingTask, ...]) -> None:
        """Note which tasks wait, oldest first. Not written: each of them has a file of its own."""
        with self._lock:
            self._state = msgspec.structs.replace(self._state, queue=tasks)

    def limited(self, max_barren: dict[str, int]) -> None:
        """Note for how many sessions in a row each prompt may land nothing; written with the next change of state."""
        with self._lock:
            if max_barren != self._state.max_barren:
                self._replace(max_barren=max_barren)

    def now(self) -> datetime:
        """The time by the run's clock."""
        return self._clock()

    def started(self, seq: int, pid: int, pid_started: int | None) -> None:
        """Note the agent's process. A pid means nothing after a reboot, so no power cut matters."""
        with self._lock:
            self._update(seq, pid=pid, pid_started=pid_started, begun=True)
        self._writer.write(durable=False)

    def attempting(self, seq: int, attempt: Attempt) -> None:
        """Write which attempt comes next, and whose; durable before it starts.

        An attempt that has not begun may go to another agent. The session's model is that of its first attempt.
        """
        with self._lock:
            before = self.progress(seq)
            begun = (str(before.agent),) if attempt.nth > before.attempt else ()
            self._update(
                seq,
                attempt=attempt.nth,
                agent=attempt.agent,
                model=attempt.model if attempt.nth == 1 else before.model,
                tried=(*before.tried, *begun),
                begun=False,
                pid=None,
                pid_started=None,
            )
        self._writer.write(durable=True)

    def waiting(self, seq: int, since: datetime, until: datetime, *, begun: bool) -> None:
        """Show observers that the session is waiting; `begun`: its agent has run, and will run again."""
        with self._lock:
            self._update(seq, waits_since=since, waits_until=until, begun=begun, pid=None, pid_started=None)
        self._writer.write(durable=False)

    def waited(self, seq: int, seconds: float) -> None:
        """The wait is over: add its `seconds` to those that the session has waited."""
        with self._lock:
            waited_s = self.progress(seq).waited_s + seconds
            self._update(seq, waited_s=waited_s, waits_since=None, waits_until=None)
        self._writer.write(durable=False)

    def noted(self, agent: str, quota: Quota) -> None:
        """Note what an agent said about its subscription; written with the next change of state."""
        with self._lock:
            self._replace(quota={**self._state.quota, agent: quota})

    def ended(self, seq: int, outcome: Outcome, *, apart: bool = False) -> None:
        """Write how the agent ended; from here on it is never run again.

        In a crowd, callers `apart`, which must hold no lock, return one after another.
        """
        with self._lock:
            self._update(seq, outcome=outcome, begun=False, pid=None, pid_started=None)
            self._outcomes[seq] = outcome
        self._writer.write(durable=True, apart=apart)

    def vacated(self, seq: int, commit: str) -> None:
        """Note that all of a session's work is in `commit`, and its working copy is free for another.

        The next dispatch to that working copy makes this durable before the next session can use it.
        """
        with self._lock:
            self._update(seq, committed=commit)

    def unrescued(self, seq: int) -> None:
        """Write that a session's work is still where it was, since git cannot rescue it; durable."""
        with self._lock:
            others = (s for s in self._state.unrescued if s.seq != seq)
            self._replace(unrescued=(*others, self.session(seq)))
        self._writer.write(durable=True)

    def rescued(self, seq: int) -> None:
        """Forget that a session's work is still where it was; durable, as other work may soon be there."""
        with self._lock:
            if not any(s.seq == seq for s in self._state.unrescued):
                return
            self._replace(unrescued=tuple(s for s in self._state.unrescued if s.seq != seq))
        self._writer.write(durable=True)

    def recorded(self, record: SessionRecord) -> None:
        """Append the record (the commit point), fold it, and append its entry to sessions.md."""
        with self._lock:
            self._rundir.record(record)
            self._latest.add(record)
            self.replayed(record)
            self._project(record)

    def checkpoint(self) -> None:
        """Write the state before a step that may take long; in a crowd, `keep_up` does that.

        A power cut may undo it: the log holds everything.
        """
        with self._lock:
            self._replace()
        self._writer.write(durable=False)

    def replayed(self, record: SessionRecord) -> None:
        """Fold a record that is already in the log; one that came early waits for those before it."""
        with self._lock:
            self._counted = None
            self._early[record.seq] = record
            self._outcomes.pop(record.seq, None)
            while following := self._early.pop(self._state.last_session_seq + 1, None):
                self._state = self._chooser.advance(self._state, following)
                self._version += 1
            if self._early or self._state.early:
                waiting = tuple(self._early[seq] for seq in sorted(self._early))
                self._state = msgspec.structs.replace(self._state, early=waiting)

    def adopt(self, state: RunState) -> None:
        """Take over a state that recovery worked out, and make it the checkpoint."""
        with self._lock:
            self._state = state
            self._outcomes = {seq: each for seq, each in _outcomes(state).items() if seq not in self._early}
            self._counted = None
            self._replace()
        self._writer.write(durable=True)

    def accepted(
        self, prompt_names: tuple[str, ...], caps: Caps, selection: Selection, return_to: str | None
    ) -> None:
        """Write what the run does from now on, and what to check out at the end; durable."""
        with self._lock:
            self._replace(
                prompt_names=prompt_names, caps=caps, selection=selection, return_to=return_to, paused=False
            )
        self._writer.write(durable=True)

    def capped(self, caps: Caps) -> None:
        """Write the caps that the run keeps from now on; durable, so that a resume keeps them too."""
        with self._lock:
            self._replace(caps=caps)
        self._writer.write(durable=True, at_once=True)

    def paused(self, *, paused: bool) -> None:
        """Show observers whether the run is paused; a resumed run is not."""
        with self._lock:
            self._replace(paused=paused)
        self._writer.write(durable=False)

    def caught_up(self) -> None:
        """Write the records since the last dispatch, as no other dispatch is near; does nothing if they are written."""
        self._writer.write(durable=False)

    def rest_s(self) -> float:
        """For how many seconds the next dispatch should wait for others to share its write; 0 unless in a crowd."""
        return self._writer.rest_s()

    def keep_up(self) -> None:
        """In a crowd, write changes that no thread waits for; call this every second or so."""
        self._writer.keep_up()

    def finished(self, status: RunStatus, stop_reason: str) -> None:
        """Write the run's terminal state."""
        with self._lock:
            self._replace(status=status, stop_reason=stop_reason, paused=False)
        self._writer.write(durable=True)
        with self._lock:
            if self._projection_lags:
                self._project_all()

    def _project(self, record: SessionRecord) -> None:
        """sessions.md is for people: a failed write never ends a run; missing entries are added later."""
        if self._projection_lags:
            self._project_all()
            return
        try:
            sessions_md.append(self._rundir.paths, record)
        except StorageError:
            self._projection_lags = True

    def _project_all(self) -> None:
        with suppress(StorageError):
            sessions_md.rewrite(self._rundir.paths)
            self._projection_lags = False

    def _update(self, seq: int, **changes: object) -> None:
        self._replace(in_flight=by_seq.put(self._state.in_flight, _further(self.session(seq), changes)))

    def _replace(self, **changes: object) -> None:
        self._state = msgspec.structs.replace(self._state, last_updated_at=self._clock(), **changes)
        self._version += 1


def _further(session: InFlight, changes: dict[str, object]) -> InFlight:
    return msgspec.structs.replace(session, progress=msgspec.structs.replace(session.progress, **changes))


def _outcomes(state: RunState) -> dict[int, Outcome]:
    found = ((session.seq, session.progress.outcome) for session in state.in_flight)
    return {seq: outcome for seq, outcome in found if outcome is not None}
