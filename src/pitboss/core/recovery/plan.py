"""What a run that was cut short needs before it may go on: facts in, repairs in order out (SPEC 7, recovery).

`plan_recovery` looks at everything a dead run left behind and either raises the refusal that the table in
SPEC 7 names, before anything is changed, or returns the repairs. They are safe to apply again from the
start after another crash, and a run that was repaired needs none:

    StopProcess           nothing of the dead run may still write while its files are repaired
    CutTornTail, SetAsideDamage    the log is whole before anything is appended to it
    RemoveStaleLocks, RecreateBranch, UndoSwitch    git works, on the branch the sessions land on, and the tree is whole
    RebuildState, ReplayRecords, DropInFlight    the state is the fold of the log
    RescueLeft            before other work is taken from the same tree
    CompleteSession       in the order in which their landing was due: one that had begun comes first
    AbortSession, RestoreRecord    every other session without a record gets its one
    RemoveWorktree, RemoveSessionBranch    when no session needs them any more
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import msgspec

from pitboss.core.recovery.unsettled import refuse_what_only_a_person_may_settle

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pitboss.core.recovery.facts import Facts
    from pitboss.core.session import InFlight


class StopProcess(msgspec.Struct, frozen=True, kw_only=True):
    """End what is left of a session's process tree."""

    seq: int
    pid: int
    pid_started: int | None

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"stop process {self.pid}, left over from session {self.seq}"


class CutTornTail(msgspec.Struct, frozen=True, kw_only=True):
    """Move the torn last line of the log aside, from byte `at`."""

    at: int

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"move the torn last line of sessions.jsonl (from byte {self.at}) to sessions.jsonl.torn-N"


class SetAsideDamage(msgspec.Struct, frozen=True, kw_only=True):
    """Move damaged lines (counted from 1) out of the log; they are kept."""

    lines: tuple[int, ...]

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"set aside damaged lines of sessions.jsonl: {', '.join(map(str, self.lines))}"


class RemoveStaleLocks(msgspec.Struct, frozen=True, kw_only=True):
    """Remove lock files of a git that died."""

    paths: tuple[str, ...]

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"remove locks of a dead git: {', '.join(self.paths)}"


class RecreateBranch(msgspec.Struct, frozen=True, kw_only=True):
    """Make the run branch again at commit `at`."""

    branch: str
    at: str

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"make again the run branch {self.branch} at {self.at[:7]}"


class UndoSwitch(msgspec.Struct, frozen=True):
    """Put the working tree back to the commit that HEAD names: a switch to another branch was cut short."""

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return "put the working tree back: a switch of branches was cut short"


class RebuildState(msgspec.Struct, frozen=True, kw_only=True):
    """Write state.json as the fold of records 1..`last_seq`; an old file is kept aside.

    What no record says comes from the old state.json if it can be read, else from branch and trailers.
    """

    last_seq: int

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"rebuild state.json from {self.last_seq} records of sessions.jsonl and the run branch"


class ReplayRecords(msgspec.Struct, frozen=True, kw_only=True):
    """Fold the records past the checkpoint; those after a gap wait for the session that fills it."""

    first: int
    last: int

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"bring state.json up to date with records {self.first} to {self.last}"


class DropInFlight(msgspec.Struct, frozen=True, kw_only=True):
    """Forget that a session is in flight: its record is in the log and the fold covers it.

    One whose record waits for the session that fills a gap stays in flight until it is folded: else the
    scheduler and the next seq would not know of it.
    """

    seq: int

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"session {self.seq} is recorded: it is no longer in flight"


class CompleteSession(msgspec.Struct, frozen=True, kw_only=True):
    """Finish a session whose agent ended, by its outcome: land or rescue its work, or take the commit there is.

    `landed` says that there is one. `elsewhere`: somebody works on another branch in the tree that was the
    session's, so that only the commit counts.
    """

    seq: int
    landed: bool
    elsewhere: bool = False

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        how = "from its commit on the run branch" if self.landed else "by landing or rescuing its work"
        return f"complete session {self.seq} {how}"


class AbortSession(msgspec.Struct, frozen=True, kw_only=True):
    """Record a session that was cut short as aborted: its transcript billed, its work rescued.

    `elsewhere`: somebody works on another branch in the tree that was the session's, so nothing is taken from it.
    """

    seq: int
    elsewhere: bool = False

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        how = "another branch is checked out" if self.elsewhere else "with its work rescued"
        return f"record session {self.seq} as aborted, {how}"


class RescueLeft(msgspec.Struct, frozen=True, kw_only=True):
    """Rescue what a session with a record left where it worked, as git could not do so then; `elsewhere` as above."""

    seq: int
    elsewhere: bool = False

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        how = "is not looked for: another branch is checked out" if self.elsewhere else "is rescued"
        return f"the work that session {self.seq} left where it was {how}"


class RestoreRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Write a record for a session whose own is lost, from its commit if it has `landed`; its cost is unknown."""

    seq: int
    landed: bool

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        how = "from its commit on the run branch" if self.landed else "as aborted"
        return f"write the lost record of session {self.seq} anew {how}"


class RemoveWorktree(msgspec.Struct, frozen=True, kw_only=True):
    """Rescue what a session's working copy holds, then remove it."""

    path: str

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"remove the worktree {self.path}, rescuing what it holds"


class RemoveSessionBranch(msgspec.Struct, frozen=True, kw_only=True):
    """Rescue what only a session's branch holds, then delete the branch."""

    name: str

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"delete the session branch {self.name}, rescuing what it holds"


Repair: TypeAlias = (
    StopProcess
    | CutTornTail
    | SetAsideDamage
    | RemoveStaleLocks
    | RecreateBranch
    | UndoSwitch
    | RebuildState
    | ReplayRecords
    | DropInFlight
    | RescueLeft
    | CompleteSession
    | AbortSession
    | RestoreRecord
    | RemoveWorktree
    | RemoveSessionBranch
)


def plan_recovery(facts: Facts) -> tuple[Repair, ...]:
    """Return the repairs a run needs, in the order they must be applied (SPEC 7).

    Raises DamagedRun, StateOutOfSync or StartError when only a person may decide; `force` stands for
    such a decision about the log, never about the user's branch or tree, nor about more lost records
    than a disk loses.
    """
    refuse_what_only_a_person_may_settle(facts)
    return (
        *_stop(facts),
        *_mend_log(facts),
        *_mend_git(facts),
        *_mend_state(facts),
        *(RescueLeft(seq=s.seq, elsewhere=_is_apart(facts, s)) for s in facts.unrescued),
        *_settle_sessions(facts),
        *(RemoveWorktree(path=path) for path in facts.worktrees),
        *(RemoveSessionBranch(name=name) for name in facts.session_branches),
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
    """Whether somebody works on another branch in what was the session's tree."""
    return session.assignment.worktree is None and facts.somebody_elsewhere


def _can_complete(facts: Facts, session: InFlight) -> bool:
    """Whether the session's agent has ended, and what it did can be had."""
    ended = session.progress.outcome is not None
    return ended and (session.seq in facts.landed or not _is_apart(facts, session))
