"""Merges a session's change onto a run branch that has moved on, working on trees alone (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.measures import first_few
from pitboss.git.merge import Merged, merge_trees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.git.repo import Repo
    from pitboss.landing.landed import Commit
    from pitboss.landing.run_branch import RunBranch

MOST_NAMED = 20
"""How many conflicting paths to name: a formatter may conflict in thousands."""


class Merge(msgspec.Struct, frozen=True, kw_only=True):
    """The result of a merge: a commit, conflicting paths, or nothing new."""

    commit: str | None = None
    conflicts: tuple[str, ...] = ()

    @property
    def conflicting(self) -> str:
        """The first few conflicting paths, in words."""
        return first_few(self.conflicts, MOST_NAMED)


def merge_onto(repo: Repo, branch: RunBranch, change: str, commits: Sequence[Commit], message: str) -> Merge:
    """Make the commit that adds `change` to `branch`; `commits` are what `change` has beyond the branch's tip.

    What pitboss committed for the session goes on top of the tip, so that history reads as if sessions had run one
    after another; an agent's own commits are kept as they are, through a merge commit with `message`.
    Raises GitError.
    """
    tip, own = branch.tip, all(commit.own for commit in commits)
    if own and len(commits) == 1 and commits[0].parents == (tip,):
        return Merge(commit=change)
    if not own and repo.is_ancestor(tip, change):
        return Merge(commit=change)
    merged = _merge_trees(repo, branch, change, commits)
    if merged.conflicts:
        return Merge(conflicts=merged.conflicts)
    if own and merged.tree == branch.tree:
        return Merge()
    words = commits[0].message if own else message
    made = repo.commit_tree(merged.tree, parent=tip, message=words, merged=None if own else change)
    return Merge(commit=made)


def _merge_trees(repo: Repo, branch: RunBranch, change: str, commits: Sequence[Commit]) -> Merged:
    """Merge `change` with the branch's tip; if they clearly changed different files, without starting git."""
    if len(commits) == 1 and len(commits[0].parents) == 1:
        tree = branch.tree_with(change, commits[0].parents[0])
        if tree is not None:
            return Merged(tree=tree)
    return merge_trees(repo, branch.tip, change)
