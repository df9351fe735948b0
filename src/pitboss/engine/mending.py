"""The first half of recovery: end strays, and make the run's log, branch and state whole again (SPEC 7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.recovery import repairs
from pitboss.core.recovery.refusals import StateOutOfSync
from pitboss.core.recovery.replay import replay_records
from pitboss.core.run import build_state, counted, unfolded
from pitboss.core.stops import RunStatus
from pitboss.engine.journal import Journal
from pitboss.errors import DamagedRun, StartError
from pitboss.git.empty_objects import remove_empty_objects
from pitboss.landing.landed import landed_sessions
from pitboss.store import sessions_md
from pitboss.store.log import iter_records
from pitboss.store.log_repair import cut_torn_tail, set_aside, set_aside_lines
from pitboss.store.opening import status
from pitboss.store.taking import take

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.core.chooser import Chooser
    from pitboss.core.recovery.facts import DeadRun
    from pitboss.core.recovery.repairs import Repair
    from pitboss.core.rotation import Rotation
    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord
    from pitboss.engine.ports import Hosts
    from pitboss.git.repo import Repo
    from pitboss.git.switch import Switch
    from pitboss.landing.run_branch import RunBranch
    from pitboss.store.rundir import RunDir

CLOCK_SKEW_S = 3600.0
"""The most seconds by which the clock may have been set back since a run began."""


def end_strays(dead: DeadRun, hosts: Callable[[], Hosts]) -> bool:
    """End whatever still carries the dead run's marker; returns whether there was anything.

    A run that ended in good order left nothing, so there is no search.
    """
    state = dead.state
    if state is not None and not state.in_flight and state.status in (RunStatus.ABORTED, RunStatus.COMPLETED):
        return False
    began = 0.0 if state is None else state.started_at.timestamp() - CLOCK_SKEW_S
    return hosts().end_strays(dead.run_id, since=began)


class Mender:
    """Makes a dead run's log, branch and state whole again, repair by repair."""

    def __init__(
        self,
        rundir: RunDir,
        dead: DeadRun,
        branch: RunBranch,
        switch: Switch,
        chooser: Chooser,
        hosts: Hosts,
    ) -> None:
        self._rundir = rundir
        self._dead = dead
        self._branch = branch
        self._switch = switch
        self._chooser = chooser
        self._hosts = hosts

    def mend(self, plan: Sequence[Repair], blank: RunState, clock: Callable[[], datetime]) -> Journal:
        """Apply every repair that concerns files; `blank` is the state to rebuild on if there is none.

        The returned journal's state is the checkpoint. A completed run stays completed.
        """
        state = self._dead.state or blank
        for repair in plan:
            state = self._apply(repair, state)
        state = counted(state, iter_records(self._rundir.paths.log))
        if self._projection_may_lag(plan):
            sessions_md.rewrite(self._rundir.paths)
        journal = Journal(self._rundir, state, self._chooser, clock)
        if state.status is not RunStatus.COMPLETED:
            state = msgspec.structs.replace(state, status=RunStatus.ACTIVE, stop_reason=None)
        journal.adopt(state)
        for record in self._dead.scan.tail:
            if record.seq > state.last_session_seq:
                journal.replayed(record)
        return journal

    def _apply(self, repair: Repair, state: RunState) -> RunState:
        match repair:
            case repairs.StopProcess(seq=seq, pid=pid, pid_started=started):
                session = next(s.assignment for s in state.in_flight if s.seq == seq)
                self._hosts.of(session).end_process(pid, started)
            case repairs.CutTornTail(at=at):
                cut_torn_tail(self._rundir.paths, at)
            case repairs.SetAsideDamage():
                set_aside_lines(self._rundir.paths, after_seq=self._dead.after_seq)
            case repairs.RebuildState(last_seq=last_seq):
                return self._rebuilt(state, last_seq)
            case repairs.ReplayRecords():
                return self._replayed(state)
            case repairs.MoveTask(seq=seq, task=task):
                take(self._rundir.paths.repo, self._rundir.paths, task, seq)
            case repairs.DropInFlight(seq=seq):
                kept = tuple(s for s in state.in_flight if s.seq != seq)
                return msgspec.structs.replace(state, in_flight=kept)
            case _:
                self._mend_git(repair)
        return state

    def _mend_git(self, repair: Repair) -> None:
        match repair:
            case repairs.RemoveStaleLocks():
                self._branch.remove_stale_locks()
            case repairs.RemoveEmptyObjects(paths=paths):
                remove_empty_objects(paths)
            case repairs.RecreateBranch(at=at):
                self._branch.recreate(at)
            case repairs.UndoSwitch():
                self._switch.undo()
            case _:
                pass  # sessions are settled once there is a journal

    def _rebuilt(self, state: RunState, last_seq: int) -> RunState:
        """Fold the log from the start; the old file is set aside."""
        if status(self._rundir.paths.state) is not None:
            set_aside(self._rundir.paths.state)
        state = unfolded(state)
        for record in iter_records(self._rundir.paths.log):
            if record.seq == state.last_session_seq + 1 <= last_seq:
                state = self._refolded(state, record)
        if state.last_session_seq < last_seq:
            raise DamagedRun(
                f"sessions.jsonl: record {state.last_session_seq + 1} cannot be read",
                hint="the run's sessions are on its branch; start a new run with `pitboss grind`",
            )
        return state

    def _refolded(self, state: RunState, record: SessionRecord) -> RunState:
        is_turn = record.queued is None
        if self._dead.state is None and is_turn and record.prompt not in state.prompt_names:
            raise StartError(
                f"session {record.seq} ran {record.prompt}, which is not in rotation {state.plan_name}",
                hint=f"`pitboss repair {state.run_id} --rotation NAME` with the rotation of the run",
            )
        try:
            return self._chooser.advance(state, record)
        except ValueError:
            raise StateOutOfSync(state.run_id, record.seq, record.seq) from None

    def _replayed(self, state: RunState) -> RunState:
        scan = self._dead.scan
        due = [r for r in scan.tail if state.last_session_seq < r.seq <= scan.last_seq]
        return replay_records(state, due, self._chooser, log_seq=scan.highest_seq)

    def _projection_may_lag(self, plan: Sequence[Repair]) -> bool:
        """Whether a record may lack its entry in sessions.md; never after a run that ended in good order."""
        state = self._dead.state
        at_rest = state is not None and state.status in (RunStatus.ABORTED, RunStatus.COMPLETED)
        changed = any(isinstance(r, repairs.RebuildState | repairs.ReplayRecords) for r in plan)
        return changed or not at_rest or status(self._rundir.paths.markdown) is None


def blank_state(dead: DeadRun, repo: Repo, rotation: Rotation, now: datetime) -> RunState:
    """All that is known about a run without a state.json: its id, its branch, and where its work began."""
    tip = repo.commit_id(f"refs/heads/{dead.branch}")
    landed = landed_sessions(repo, dead.run_id, tip, None) if dead.state is None else {}
    return build_state(
        run_id=dead.run_id,
        branch=dead.branch,
        plan_name=rotation.name,
        prompt_names=rotation.prompt_names,
        now=_started_at(dead.run_id) or now,
        base_commit=landed[min(landed)].parent if landed else tip,
    )


def _started_at(run_id: str) -> datetime | None:
    try:
        return datetime.strptime(run_id[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None
