"""Plans the recovery of a run that was cut short: facts in, repairs in order out (SPEC 7, recovery).

`plan_recovery` looks at everything a dead run left behind and, before anything is changed, either raises the refusal
that the table in SPEC 7 names or returns the repairs. They are idempotent: after another crash they are planned again
from the start, and a repaired run needs none:

    StopProcess           no process of the dead run may write while its files are repaired
    CutTornTail, SetAsideDamage    the log must be sound before anything is appended to it
    RemoveStaleLocks, RemoveEmptyObjects, RecreateBranch, UndoSwitch    git works, on the branch the sessions
                          land on, and the tree is whole
    RebuildState, ReplayRecords, DropInFlight    the state is the fold of the log
    MoveTask              before its session gets the record that says it was taken
    RescueLeft            before other work is taken from the same tree
    CompleteSession       in the order in which they were due to land: one that had begun to comes first
    AbortSession, RestoreRecord    every other session without a record gets one
    RemoveWorktree, RemoveSessionBranch, RemoveLease    once no session needs them
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.recovery.refusals import refuse_what_only_a_person_may_settle
from pitboss.core.recovery.repairs import (
    AbortSession,
    CompleteSession,
    CutTornTail,
    DropInFlight,
    MoveTask,
    RebuildState,
    RecreateBranch,
    RemoveEmptyObjects,
    RemoveLease,
    RemoveSessionBranch,
    RemoveStaleLocks,
    RemoveWorktree,
    ReplayRecords,
    RescueLeft,
    RestoreRecord,
    SetAsideDamage,
    StopProcess,
    UndoSwitch,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pitboss.core.recovery.facts import Facts
    from pitboss.core.recovery.repairs import Repair
    from pitboss.core.session import InFlight


def plan_recovery(facts: Facts) -> tuple[Repair, ...]:
    """Return the repairs a run needs, in the order in which to apply them (SPEC 7).

    Raises DamagedRun, StateOutOfSync or StartError when only a person may decide. `force` is that decision for the
    log, but never for the user's branch or tree, nor for more lost records than a disk plausibly loses.
    """
    refuse_what_only_a_person_may_settle(facts)
    return (
        *_stop(facts),
        *_mend_log(facts),
        *_mend_git(facts),
        *_mend_state(facts),
        *_move_tasks(facts),
        *(RescueLeft(seq=s.seq, elsewhere=_is_apart(facts, s)) for s in facts.unrescued),
        *_settle_sessions(facts),
        *(RemoveWorktree(path=path) for path in facts.worktrees),
        *(RemoveSessionBranch(name=name) for name in facts.session_branches),
        *(RemoveLease(seq=seq) for seq in facts.leased),
    )


def _stop(facts: Facts) -> Iterator[Repair]:
    for session in facts.in_flight:
        pid = session.progress.pid
        if pid is not None and session.seq in facts.alive:
            yield StopProcess(seq=session.seq, pid=pid, pid_started=session.progress.pid_started)


def _mend_log(facts: Facts) -> Iterator[Repair]:
    if facts.torn_at is not None:
        yield CutTornTail(at=facts.torn_at)
    if facts.damage:
        yield SetAsideDamage(lines=tuple(damage.line for damage in facts.damage))


def _mend_git(facts: Facts) -> Iterator[Repair]:
    if facts.stale_locks:
        yield RemoveStaleLocks(paths=facts.stale_locks)
    if facts.empty_objects:
        yield RemoveEmptyObjects(paths=facts.empty_objects)
    if facts.branch_tip is None and facts.last_commit is not None:
        yield RecreateBranch(branch=facts.branch, at=facts.last_commit)
    if facts.cut_switch:
        yield UndoSwitch()


def _mend_state(facts: Facts) -> Iterator[Repair]:
    if facts.state is None or facts.state.last_session_seq > facts.last_seq:
        checkpoint = facts.last_seq
        yield RebuildState(last_seq=facts.last_seq)
    else:
        checkpoint = facts.state.last_session_seq
    if facts.highest_seq > checkpoint:
        yield ReplayRecords(first=checkpoint + 1, last=facts.highest_seq)
    for session in facts.in_flight:
        if session.seq <= facts.last_seq:
            yield DropInFlight(seq=session.seq)


def _move_tasks(facts: Facts) -> Iterator[Repair]:
    for session in facts.in_flight:
        if session.seq in facts.unmoved and session.assignment.queued is not None:
            yield MoveTask(seq=session.seq, task=session.assignment.queued)


def _settle_sessions(facts: Facts) -> Iterator[Repair]:
    completed = [
        (s.seq, s.progress.outcome.ended_at)
        for s in facts.unrecorded
        if s.progress.outcome and _can_complete(facts, s)
    ]

    def landing_order(session: tuple[int, datetime]) -> tuple[bool, datetime, int]:
        seq, ended_at = session
        return (seq not in facts.landed, ended_at, seq)

    apart = {s.seq for s in facts.unrecorded if _is_apart(facts, s)}
    for seq, _ in sorted(completed, key=landing_order):
        yield CompleteSession(seq=seq, landed=seq in facts.landed, elsewhere=seq in apart)
    cut_short: list[AbortSession | RestoreRecord] = [
        *(
            AbortSession(seq=s.seq, elsewhere=s.seq in apart)
            for s in facts.unrecorded
            if not _can_complete(facts, s)
        ),
        *(RestoreRecord(seq=seq, landed=seq in facts.landed) for seq in facts.missing()),
    ]
    yield from sorted(cut_short, key=lambda repair: repair.seq)


def _is_apart(facts: Facts, session: InFlight) -> bool:
    """Whether a person is working on another branch in what was the session's tree."""
    return session.assignment.worktree is None and facts.somebody_elsewhere


def _can_complete(facts: Facts, session: InFlight) -> bool:
    """Whether the session's agent has ended and its work is available."""
    ended = session.progress.outcome is not None
    return ended and (session.seq in facts.landed or not _is_apart(facts, session))
