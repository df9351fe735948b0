"""Every kind of repair, as a value with its line for `pitboss repair --dry-run` (SPEC 7)."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from pitboss.core.measures import first_few

_MOST_NAMED = 10


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
    """Move damaged lines (counted from 1) out of the log; they are kept aside."""

    lines: tuple[int, ...]

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"set aside damaged lines of sessions.jsonl: {first_few([*map(str, self.lines)], _MOST_NAMED)}"


class RemoveStaleLocks(msgspec.Struct, frozen=True, kw_only=True):
    """Remove the lock files of a git process that died."""

    paths: tuple[str, ...]

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"remove locks of a dead git: {first_few(self.paths, _MOST_NAMED)}"


class RemoveEmptyObjects(msgspec.Struct, frozen=True, kw_only=True):
    """Remove the empty files that a power cut left among git's objects, so that git writes those it needs again."""

    paths: tuple[str, ...]

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"remove empty files among git's objects: {first_few(self.paths, _MOST_NAMED)}"


class RecreateBranch(msgspec.Struct, frozen=True, kw_only=True):
    """Recreate the run branch at commit `at`."""

    branch: str
    at: str

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"recreate the run branch {self.branch} at {self.at[:7]}"


class UndoSwitch(msgspec.Struct, frozen=True):
    """Put the working tree back to the commit that HEAD names: a switch to another branch was cut short."""

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return "put the working tree back: a switch of branches was cut short"


class RebuildState(msgspec.Struct, frozen=True, kw_only=True):
    """Write state.json as the fold of records 1..`last_seq`; the old file is kept aside.

    What no record says comes from the old state.json if it can be read, else from the branch and its trailers.
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

    A session whose record waits for a gap before it to be filled stays in flight until it is folded; otherwise the
    scheduler and the next seq would not account for it.
    """

    seq: int

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"session {self.seq} is recorded: it is no longer in flight"


class MoveTask(msgspec.Struct, frozen=True, kw_only=True):
    """Move the task of a session that is in flight from the queue into the run directory, so that no run starts it."""

    seq: int
    task: str

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"move task {self.task} of session {self.seq} from the queue into the run directory"


class CompleteSession(msgspec.Struct, frozen=True, kw_only=True):
    """Finish a session whose agent has ended, from its outcome: keep its landed commit, or land or rescue its work.

    `landed` says that there is a commit. `elsewhere`: a person is working on another branch in what was the session's
    tree, so only the commit counts.
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

    `elsewhere`: a person is working on another branch in what was the session's tree, so nothing is taken from it.
    """

    seq: int
    elsewhere: bool = False

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        how = "another branch is checked out" if self.elsewhere else "with its work rescued"
        return f"record session {self.seq} as aborted, {how}"


class RescueLeft(msgspec.Struct, frozen=True, kw_only=True):
    """Rescue work that a recorded session left behind because git could not rescue it then; `elsewhere` as above."""

    seq: int
    elsewhere: bool = False

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        how = "is not looked for: another branch is checked out" if self.elsewhere else "is rescued"
        return f"the work that session {self.seq} left where it was {how}"


class RestoreRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Write a record for a session that lost its own, from its commit if it has `landed`; the cost is unknown."""

    seq: int
    landed: bool

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        how = "from its commit on the run branch" if self.landed else "as aborted"
        return f"rewrite the lost record of session {self.seq} {how}"


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


class RemoveLease(msgspec.Struct, frozen=True, kw_only=True):
    """Rescue what a session's worker pushed unless that landed, then delete it together with the lease."""

    seq: int

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"delete the lease of session {self.seq}, rescuing what its worker pushed unless that landed"


Repair: TypeAlias = (
    StopProcess
    | CutTornTail
    | SetAsideDamage
    | RemoveStaleLocks
    | RemoveEmptyObjects
    | RecreateBranch
    | UndoSwitch
    | RebuildState
    | ReplayRecords
    | DropInFlight
    | MoveTask
    | RescueLeft
    | CompleteSession
    | AbortSession
    | RestoreRecord
    | RemoveWorktree
    | RemoveSessionBranch
    | RemoveLease
)
