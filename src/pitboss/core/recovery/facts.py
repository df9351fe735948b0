"""What a run that was cut short left behind: the facts on which recovery decides (SPEC 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.run import RunState
from pitboss.core.session import SessionRecord

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.core.session import InFlight


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """A line of sessions.jsonl (counted from 1) that cannot be a record of this run, and why."""

    line: int
    detail: str


class LogScan(msgspec.Struct, frozen=True, kw_only=True):
    """What a whole log says.

    `last_seq` ends the gap-free prefix 1, 2, 3, ...; `highest_seq` is the highest of all. `tail` holds the records
    past the requested seq, in file order. `torn_at` is the byte offset of a torn tail. `damage` lists the first 1000
    damaged lines before it. `any_failed`: some session ended in error or timeout. `size` is in bytes.
    """

    last_seq: int = 0
    highest_seq: int = 0
    tail: tuple[SessionRecord, ...] = ()
    torn_at: int | None = None
    damage: tuple[Damage, ...] = ()
    any_failed: bool = False
    size: int = 0


class DeadRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that is not live: its state, if readable, and its log, scanned past `after_seq`."""

    run_id: str
    branch: str
    state: RunState | None
    scan: LogScan
    after_seq: int

    @property
    def is_settled(self) -> bool:
        """Whether state and log agree that every session has its record."""
        state = self.state
        return state is not None and not state.in_flight and state.last_session_seq <= self.scan.last_seq

    @property
    def settled_commit(self) -> str | None:
        """A commit that precedes every session without a record; None when nothing says which."""
        state = self.state
        if state is None:
            return None
        if self.scan.last_seq < state.last_session_seq or not state.in_flight:
            return state.base_commit
        return min(state.in_flight, key=lambda session: session.seq).assignment.base_commit


class Checkout(msgspec.Struct, frozen=True, kw_only=True):
    """The user's working tree: the branch HEAD is on (None when detached) and whether anything is uncommitted.

    While the run branch is gone and HEAD still names it, `dirty` compares with the commit at which the branch will
    be recreated. What our own interrupted switch left does not count as dirty. `way_out` says how its user gets it
    clean.
    """

    branch: str | None
    dirty: bool
    way_out: str = ""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that recovery depends on, as found on disk while the run's lock is held.

    The log: `last_seq` ends its gap-free prefix, `early` are the seqs it holds beyond that, `torn_at` is the byte
    offset of a torn last line; damaged lines count for none of these. `landed` are the sessions past `last_seq`
    whose commit, known by its trailers or their own branch, is on the run branch. `alive` are the sessions in
    flight whose process group is alive (pid and start time match). `last_commit` is the last recorded commit, or the
    run's base commit. `checkout` is the tree that a resumed run is about to work in: None in worktree mode, and for
    a repair after which nothing runs. `moved_since`: HEAD is on another branch, and may have moved there after the
    run's last process ended. `cut_switch`: a switch of branches may have been interrupted. `unmoved` are the sessions
    in flight whose task is still in the queue. `leased` are the sessions that have the lease or the result of a worker.
    """

    run_id: str
    branch: str
    state: RunState | None
    last_seq: int = 0
    early: frozenset[int] = frozenset()
    torn_at: int | None = None
    damage: tuple[Damage, ...] = ()
    landed: frozenset[int] = frozenset()
    alive: frozenset[int] = frozenset()
    branch_tip: str | None = None
    last_commit: str | None = None
    last_commit_exists: bool = False
    checkout: Checkout | None = None
    moved_since: bool = False
    cut_switch: bool = False
    stale_locks: tuple[str, ...] = ()
    empty_objects: tuple[str, ...] = ()
    worktrees: tuple[str, ...] = ()
    session_branches: tuple[str, ...] = ()
    leased: tuple[int, ...] = ()
    unmoved: frozenset[int] = frozenset()
    force: bool = False

    @property
    def highest_seq(self) -> int:
        """The highest seq that has a record."""
        return max(self.early, default=self.last_seq)

    @property
    def top(self) -> int:
        """The highest seq known to have been assigned, from the log, checkpoint, run branch and sessions in flight."""
        checkpoint = self.state.last_session_seq if self.state else 0
        return max(self.highest_seq, checkpoint, *self.landed, *(s.seq for s in self.in_flight), 0)

    @property
    def in_flight(self) -> tuple[InFlight, ...]:
        """Sessions that state.json says are in flight, by seq."""
        by_seq = {s.seq: s for s in self.state.in_flight} if self.state else {}
        return tuple(by_seq[seq] for seq in sorted(by_seq))

    @property
    def unrecorded(self) -> tuple[InFlight, ...]:
        """Sessions in flight that have no record in the log."""
        return tuple(s for s in self.in_flight if not self.is_recorded(s.seq))

    @property
    def unrescued(self) -> tuple[InFlight, ...]:
        """Sessions with a record whose work is still where they left it."""
        due = {s.seq for s in self.unrecorded}
        return tuple(s for s in (self.state.unrescued if self.state else ()) if s.seq not in due)

    @property
    def left_in_checkout(self) -> bool:
        """Whether the user's working tree still holds the work of a session."""
        return any(s.assignment.worktree is None for s in (*self.unrecorded, *self.unrescued))

    @property
    def somebody_elsewhere(self) -> bool:
        """Whether a person switched to another branch, rather than a session whose work is still in the tree."""
        if self.left_in_checkout:
            return self.moved_since
        return self.checkout is not None and self.checkout.branch != self.branch

    @property
    def half_landed(self) -> bool:
        """Whether a session that ran elsewhere may have died while landing, and left the user's tree half updated.

        In that case only files of the run branch differ, and HEAD stays on it; settling the session fixes them.
        A session whose agent had not ended was not landing.
        """
        return any(
            s.assignment.worktree is not None and s.progress.outcome is not None for s in self.unrecorded
        )

    def is_recorded(self, seq: int) -> bool:
        """Whether the log holds the record of session `seq`."""
        return seq <= self.last_seq or seq in self.early

    def missing(self) -> Iterator[int]:
        """Seqs that were assigned but have neither a record nor a session in flight."""
        known = self._known_beyond
        return (n for n in range(self.last_seq + 1, self.top + 1) if n not in known)

    def count_missing(self) -> int:
        """How many seqs `missing` yields, without iterating: a damaged seq may imply billions."""
        return self.top - self.last_seq - len(self._known_beyond)

    @property
    def _known_beyond(self) -> set[int]:
        return {n for n in (*self.early, *(s.seq for s in self.in_flight)) if n > self.last_seq}
