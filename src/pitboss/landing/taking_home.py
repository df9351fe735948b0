"""Makes the commit that brings a run's work onto another branch, on trees alone (SPEC 11).

The whole run is a fast-forward or a merge of its branch. Chosen sessions are picked one by one: each change is merged,
three-way, over the commit that it began with, so that one that builds on a session left out conflicts.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.session import SessionRecord
from pitboss.core.text import merge_message, picked_message, squash_message
from pitboss.git.merge import changed_paths, merge_trees
from pitboss.landing.changes import Change
from pitboss.landing.landed import sessions_among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.git.repo import Repo
    from pitboss.landing.signed import PersonalCommits


class Way(StrEnum):
    """How a run's work gets onto a branch."""

    FAST_FORWARD = "fast-forward"
    MERGE = "merge"
    PICKS = "picks"
    SQUASH = "squash"


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing can land: the conflicting paths, and the session that met them, None if that was a merge.

    `builds_on` are earlier sessions, left out, that changed one of these paths. `first` is the first session of a whole
    run that would meet it alone.
    """

    paths: tuple[str, ...]
    seq: int | None = None
    first: int | None = None
    builds_on: tuple[int, ...] = ()


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """The commit that the branch is to move to, and how it was made; `empty` are sessions that change nothing there."""

    commit: str
    way: Way
    empty: tuple[int, ...] = ()


class WholeRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run's landed sessions, in the order of its log, what each changed, and its branch."""

    run_id: str
    branch: str
    tip: str
    landed: tuple[SessionRecord, ...]
    changes: tuple[Change, ...]


class Present(msgspec.Struct, frozen=True, kw_only=True):
    """The seqs of sessions that a commit contains: with their own commits, or only by what trailers say."""

    merged: frozenset[int]
    named: frozenset[int]

    @property
    def seqs(self) -> frozenset[int]:
        """All of them."""
        return self.merged | self.named


def already_on(repo: Repo, run: WholeRun, target: str) -> Present:
    """Which of a run's sessions the commit `target` contains.

    Trailers count only outside the run's own history, where agents may have written some. Raises GitError.
    """
    beyond = frozenset(repo.git("rev-list", run.tip, f"^{target}", "--").decode().split())
    ends = {change.seq: change.commit for change in run.changes}
    merged = frozenset(each.seq for each in run.landed if ends.get(each.seq, each.commit) not in beyond)
    return Present(merged=merged, named=sessions_among(repo, run.run_id, target, f"^{run.tip}") - merged)


class TakingHome:
    """Brings sessions of one run onto the commit `target`, which has those that are `there`."""

    def __init__(
        self, repo: Repo, commits: PersonalCommits, run: WholeRun, target: str, *, there: frozenset[int]
    ) -> None:
        self._repo = repo
        self._commits = commits
        self._run = run
        self._target = target
        self._there = there

    def whole(self, *, squash: bool) -> Taken | Conflict:
        """Bring everything that is on the run's branch. Raises GitError, CommandError."""
        run, target = self._run, self._target
        if not squash and self._repo.is_ancestor(target, run.tip):
            return Taken(commit=run.tip, way=Way.FAST_FORWARD)
        merged = merge_trees(self._repo, target, run.tip)
        if merged.conflicts:
            return Conflict(paths=merged.conflicts)
        if squash:
            return self._squashed(merged.tree, run.landed)
        message = merge_message(run.run_id, run.branch, run.landed)
        made = self._commits.commit(merged.tree, (target, run.tip), message)
        return Taken(commit=made, way=Way.MERGE)

    def chosen(self, seqs: frozenset[int], *, squash: bool) -> Taken | Conflict:
        """Bring these sessions, one by one. Raises GitError, CommandError."""
        tip = self._target
        tree = self._repo.line("rev-parse", f"{tip}^{{tree}}")
        empty = []
        for change in self._run.changes:
            if change.seq not in seqs:
                continue
            if not squash and tip == change.base:
                tip, tree = change.commit, change.tree
                continue
            merged = merge_trees(self._repo, self._commits.scratch(tree, change.base), self._end(change))
            if merged.conflicts:
                return self._conflict(change, merged.conflicts, seqs)
            if merged.tree == tree:
                empty.append(change.seq)
                continue
            tree = merged.tree
            if not squash:
                tip = self._commits.commit(tree, (tip,), self._message(change), change.author)
        if not squash:
            return Taken(commit=tip, way=Way.PICKS, empty=tuple(empty))
        wanted = [each for each in self._run.landed if each.seq in seqs]
        return self._squashed(tree, wanted)

    def _squashed(self, tree: str, sessions: Sequence[SessionRecord]) -> Taken:
        if tree == self._repo.line("rev-parse", f"{self._target}^{{tree}}"):
            return Taken(commit=self._target, way=Way.SQUASH, empty=tuple(each.seq for each in sessions))
        message = squash_message(self._run.run_id, sessions)
        return Taken(commit=self._commits.commit(tree, (self._target,), message), way=Way.SQUASH)

    def _message(self, change: Change) -> str:
        return picked_message(
            change.message, run_id=self._run.run_id, seq=change.seq, prompt=change.record.prompt
        )

    def _end(self, change: Change) -> str:
        """A commit that has the change's tree and only its base as a parent."""
        if change.parents == (change.base,):
            return change.commit
        return self._commits.scratch(change.tree, change.base)

    def _conflict(self, change: Change, paths: tuple[str, ...], seqs: frozenset[int]) -> Conflict:
        builds_on = []
        for other in self._run.changes:
            if other is change:
                break
            touched = changed_paths(self._repo, other.base, other.commit)
            if other.seq not in seqs | self._there and not touched.isdisjoint(paths):
                builds_on.append(other.seq)
        return Conflict(paths=paths, seq=change.seq, builds_on=tuple(builds_on))
