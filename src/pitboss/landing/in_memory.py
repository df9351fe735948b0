"""Places without git, for runs that must be fast and repeatable: trees and commits are in-memory values (SPEC 6).

Tests of the engine use them. The suite that judges places in git judges them too
(`tests/contracts/test_place_port.py`). Change a tree through `Memory.trees`; nothing exists at its path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.diff_stat import DiffStat
from pitboss.core.session import Landing, Location, Reason
from pitboss.landing.refs import rescue_ref, run_branch, session_branch
from pitboss.landing.turns import MOST_BEHIND_S, Turns

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager

    from pitboss.core.session import Assignment

ROOT = "/in-memory"
"""The path of the user's tree."""

Files = dict[str, str]
"""Path to content."""


def tree(session: Assignment) -> str:
    """The path of the tree that a session works in."""
    return ROOT if session.worktree is None else f"{ROOT}/{session.worktree}"


class StoredCommit(msgspec.Struct, frozen=True, kw_only=True):
    """A commit: all files, its message, the session that it landed, and its parents."""

    files: Files
    message: str = ""
    seq: int | None = None
    parents: tuple[str, ...] = ()


class Memory:
    """What outlives a run's process: commits, branches, rescue refs, and each tree's files by path."""

    def __init__(self, run_id: str, files: Mapping[str, str]) -> None:
        self.run_id = run_id
        self.run_branch = run_branch(run_id)
        self.commits: dict[str, StoredCommit] = {}
        self.branches: dict[str, str] = {}
        self.rescued: dict[str, str] = {}
        self.trees: dict[str, Files] = {ROOT: dict(files)}
        self.provisioned: set[str] = set()
        self.used_by: dict[str, Assignment] = {}
        self.branches[self.run_branch] = self.add(StoredCommit(files=dict(files)))

    @property
    def tip(self) -> str:
        """The commit that the run branch is at."""
        return self.branches[self.run_branch]

    @property
    def landed(self) -> Files:
        """The files on the run branch."""
        return self.commits[self.tip].files

    def add(self, commit: StoredCommit) -> str:
        """Store a commit; returns its name."""
        name = f"{len(self.commits) + 1:040x}"
        self.commits[name] = commit
        return name

    def history(self, tip: str) -> set[str]:
        """A commit and all its ancestors."""
        return {tip}.union(*(self.history(parent) for parent in self.commits[tip].parents))

    def landing_of(self, seq: int) -> str | None:
        """The commit on the run branch that landed a session."""
        return next((oid for oid in sorted(self.history(self.tip)) if self.commits[oid].seq == seq), None)

    def refs_of(self, seq: int) -> tuple[str, ...]:
        """The rescue refs of a session."""
        first = rescue_ref(self.run_id, seq, 1)
        return tuple(ref for ref in sorted(self.rescued) if ref == first or ref.startswith(f"{first}-"))

    def rescue(self, seq: int, tips: Iterable[str]) -> tuple[str, ...]:
        """Create rescue refs for a session's commits, after any it has; returns all of them."""
        for tip in tips:
            refs = self.refs_of(seq)
            if tip not in {self.rescued[ref] for ref in refs}:
                self.rescued[rescue_ref(self.run_id, seq, len(refs) + 1)] = tip
        return self.refs_of(seq)


class InMemoryPlaces:
    """The places of a run (`engine.ports.Places`), as a new process finds them in `memory`."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self._turns = Turns()
        self._taken: set[str] = set()
        self._in_use: dict[int, InMemoryPlace] = {}

    def open(self) -> None:
        """There is nothing to set up."""

    def close(self) -> None:
        """Remove all trees but the user's."""
        self.memory.trees = {ROOT: self.memory.trees[ROOT]}
        self.memory.provisioned.clear()

    def restore_checkout(self, name: str) -> str:
        """The user's tree has no other branch."""
        return name

    def has_room(self) -> bool:
        """Whether `reserve` would find a place: it always does."""
        return True

    def reserve(self, seq: int, *, in_slot: bool) -> Location:
        """Choose where session `seq` works: the user's tree, or the first free slot."""
        if not in_slot:
            return Location(base_commit=self.memory.tip)
        nth = 1
        while (name := f"worktrees/slot-{nth}") in self._taken:
            nth += 1
        self._taken.add(name)
        branch = session_branch(self.memory.run_branch, seq)
        return Location(base_commit=self.memory.tip, worktree=name, branch=branch)

    def withdraw(self, session: Assignment) -> None:
        """The session is not to begin after all."""
        self.free(session)

    def at(self, session: Assignment) -> InMemoryPlace:
        """The place of a session: the same one until it is released."""
        return self._in_use.setdefault(session.seq, InMemoryPlace(self, session))

    def is_landing(self) -> bool:
        """Whether any session has a turn or is waiting for one."""
        return self._turns.taken

    def turn(self) -> AbstractContextManager[None]:
        """Wait for a turn to land."""
        return self._turns.turn()

    def let_others_land(self) -> None:
        """Wait a moment for those that have a turn or wait for one."""
        self._turns.let_others_go_first(MOST_BEHIND_S)

    def retry_rescue(self, seq: int, *, elsewhere: bool) -> None:
        """Nothing is ever left behind: each rescue succeeds."""

    def free(self, session: Assignment) -> None:
        """Free this session's place for another."""
        self._taken.discard(str(session.worktree))

    def forget(self, session: Assignment) -> None:
        """The session has been released."""
        self._in_use.pop(session.seq, None)


class InMemoryPlace:
    """The place of one session (`engine.ports.Place`)."""

    def __init__(self, places: InMemoryPlaces, session: Assignment) -> None:
        self._places = places
        self._memory = places.memory
        self._session = session
        self._branch = session.branch or self._memory.run_branch
        self._vacated_at: str | None = None
        self._prepared = False

    @property
    def path(self) -> str:
        """The key of the tree in `Memory.trees`."""
        return tree(self._session)

    def prepare(self) -> bool:
        """Rescue what a slot holds and bring it to the session's base; the user's tree is there already."""
        if self._session.worktree is None:
            return True
        self._rescue_leftovers()
        self._memory.branches[self._branch] = self._session.base_commit
        self._memory.used_by[self.path] = self._session
        self._put(self._base)
        self._prepared = True
        return self.path in self._memory.provisioned

    def _rescue_leftovers(self) -> None:
        before, files = self._memory.used_by.get(self.path), self._memory.trees.get(self.path)
        if before is None or files is None:
            return
        landed = self._memory.landing_of(before.seq) or before.base_commit
        own = self._memory.branches.get(str(before.branch), before.base_commit)
        if files not in [self._memory.commits[oid].files for oid in (landed, own, before.base_commit)]:
            self._memory.rescue(before.seq, [self._memory.add(StoredCommit(files=files, parents=(landed,)))])

    def provision(self) -> Sequence[str]:
        """Everything that sessions need is in the commit."""
        return ()

    def provisioned(self) -> None:
        """Take back what the set-up changed in files of the commit."""
        self._put({**self._files, **self._base})
        self._memory.provisioned.add(self.path)

    def look_ahead(self) -> None:
        """To look at the tree takes no time."""

    def commit(self, message: str) -> None:
        """Put what is in the tree on the session's own branch, if it has one."""
        if self._session.worktree is not None and self._files != self._memory.commits[self._own].files:
            self._memory.branches[self._branch] = self._add(self._files, message, self._own)

    def committed(self) -> str | None:
        """The commit that `commit` made; None in the user's tree."""
        return None if self._session.worktree is None else self._own

    def vacate(self, committed: str) -> None:
        """Free the slot for another session; in a new process it is already another's."""
        self._vacated_at = committed
        if self._prepared:
            self._places.free(self._session)

    def is_behind(self) -> bool:
        """Whether the run branch has commits that the session's branch lacks."""
        return self._vacated_at is None and self._memory.tip not in self._memory.history(self._own)

    def catch_up(self, message: str) -> bool:
        """Merge what has landed meanwhile into the tree; False if both changed the same file."""
        self.commit(message)
        merged, conflicts = self._merged(self._own)
        if conflicts or self._own == self._session.base_commit:
            return False
        self._memory.branches[self._branch] = self._add(merged, message, self._memory.tip, self._own)
        self._put(merged)
        return True

    def land(self, message: str) -> Landing:
        """Put the session's work on the run branch; work that conflicts there is rescued."""
        if refs := self._memory.refs_of(self._session.seq):
            return Landing(rescue=refs)
        if landed := self._memory.landing_of(self._session.seq):
            return Landing(commit=landed)
        if self._session.worktree is None:
            return self._land_in_place(message)
        if self._vacated_at is None:
            self.commit(message)
        if self._own == self._session.base_commit:
            return Landing()
        merged, conflicts = self._merged(self._own)
        if conflicts:
            refs = self._memory.rescue(self._session.seq, [self._own])
            return Landing(rescue=refs, reason=Reason.CONFLICT.because(", ".join(conflicts)), retry=True)
        return self._advance(merged, message)

    def _land_in_place(self, message: str) -> Landing:
        return Landing() if self._files == self._base else self._advance(self._files, message)

    def _advance(self, files: Files, message: str) -> Landing:
        new = self._add(files, message, self._memory.tip)
        self._memory.branches[self._memory.run_branch] = new
        return Landing(commit=new)

    def follow(self, landing: Landing) -> Landing:
        """Show in the user's tree all that has landed."""
        self._memory.trees[ROOT] = dict(self._memory.landed)
        return landing

    def diff(self) -> DiffStat | None:
        """How much the session changed, if it has landed; every line of a changed file counts."""
        landed = self._memory.landing_of(self._session.seq)
        if landed is None:
            return None
        commit = self._memory.commits[landed]
        before, after = self._memory.commits[commit.parents[0]].files, commit.files
        changed = [path for path in {*before, *after} if before.get(path) != after.get(path)]
        added, removed = (
            sum(len(files.get(path, "").splitlines()) for path in changed) for files in (after, before)
        )
        return DiffStat(files=len(changed), added=added, removed=removed)

    def rescue(self) -> Landing:
        """Keep what is in the tree, and on the session's branch, under rescue refs; put the tree back."""
        tips = []
        if self._vacated_at is not None:
            return Landing(rescue=tuple(self.rescue_commits()))
        if self.path in self._memory.trees and self._files != self._base:
            tips = [self._add(self._files, "", self._session.base_commit)]
        elif self._own not in self._memory.history(self._session.base_commit):
            tips = [self._own]
        if self.path in self._memory.trees:
            self._put(self._base)
        self._memory.branches[self._branch] = self._session.base_commit
        return Landing(rescue=self._memory.rescue(self._session.seq, tips))

    def rescue_commits(self) -> Sequence[str]:
        """Keep what is on the session's branch under a rescue ref, and put the branch back."""
        own, base = self._own, self._session.base_commit
        self._memory.branches[self._branch] = base
        return self._memory.rescue(self._session.seq, [own] if own != base else [])

    def release(self) -> None:
        """Delete the session's own branch, and free the place."""
        if self._session.worktree is not None:
            self._memory.branches.pop(self._branch, None)
        if self._vacated_at is None:
            self._places.free(self._session)
        self._places.forget(self._session)

    @property
    def _base(self) -> Files:
        return self._memory.commits[self._session.base_commit].files

    @property
    def _files(self) -> Files:
        return self._memory.trees[self.path]

    @property
    def _own(self) -> str:
        """The session's own last commit; once it has vacated its slot, whatever its branch says."""
        return self._vacated_at or self._memory.branches.get(self._branch, self._session.base_commit)

    def _put(self, files: Files) -> None:
        self._memory.trees[self.path] = dict(files)

    def _add(self, files: Files, message: str, *parents: str) -> str:
        return self._memory.add(
            StoredCommit(files=dict(files), message=message, seq=self._session.seq, parents=parents)
        )

    def _merged(self, own: str) -> tuple[Files, list[str]]:
        """The merged files of the run branch's tip and the session's, and the paths that they changed differently."""
        base, ours, theirs = self._base, self._memory.landed, self._memory.commits[own].files
        merged, conflicts = dict(ours), []
        for path in sorted({*base, *ours, *theirs}):
            if theirs.get(path) in (base.get(path), ours.get(path)):
                continue
            if ours.get(path) != base.get(path):
                conflicts.append(path)
            elif path in theirs:
                merged[path] = theirs[path]
            else:
                del merged[path]
        return merged, conflicts
