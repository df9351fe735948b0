"""The careful way of a working copy to another commit: whatever is in it is kept, then it is reset (SPEC 1.2, 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.text import rescue_message
from pitboss.git import commits, nested, snapshot
from pitboss.git.index import read_index
from pitboss.git.locks import remove_locks_of
from pitboss.git.ref_changes import ITSELF
from pitboss.git.repo import NO_HOOKS
from pitboss.git.sparse import is_sparse
from pitboss.git.tree_changes import added, changes, is_taken
from pitboss.landing import rescue_refs, unseen
from pitboss.landing.rescue_refs import rescue_commit
from pitboss.landing.slot_traces import is_released, last_session
from pitboss.landing.worktrees import inner_work
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus
    from pitboss.git.tree_changes import Changes

_RULES = (".gitattributes", ".gitignore")


class SlotReset:
    """The reset of one `worktree` of a run in `repo`; `ignored_too` deletes ignored files as well.

    `is_as_left` says whether HEAD is where the last session, which is done with it, left it: that needs no rescue.
    """

    def __init__(
        self,
        repo: Repo,
        run_id: str,
        worktree: Repo,
        *,
        ignored_too: bool,
        is_as_left: Callable[[TreeStatus], bool],
    ) -> None:
        self._repo = repo
        self._run_id = run_id
        self._worktree = worktree
        self._name = worktree.root.name
        self._ignored_too = ignored_too
        self._is_as_left = is_as_left

    def to(self, branch: str, base: str, *, seq: int, used_by: int | None, rescuing: bool = True) -> None:
        """Check out `branch` of session `seq` at the commit `base`, in a tree with nothing else in it.

        What is rescued belongs to the session that HEAD or its log names, else to `used_by`, else to `seq`. Without
        `rescuing` nobody can have worked here. Raises GitError, and StartError if a live git holds a lock.
        """
        worktree = self._worktree
        remove_locks_of(worktree)
        head = worktree.commit_id("HEAD")
        self._mend_index(head or base)
        status = worktree.status()
        owner = last_session(worktree, status, self._run_id) or used_by or seq
        if rescuing:
            self._rescue(status, base, owner)
        snapshot.abandon_operations(worktree)
        self._empty(head or base)
        if head is None or touch_rules(changes(worktree, head, base)):
            worktree.inside("index").unlink(missing_ok=True)  # so that every file is written again
        self._check_out(branch, base, seq)
        revealed = worktree.status()
        if revealed.dirty and rescuing:
            self._rescue(revealed, base, owner)
        self._empty(base)

    def _mend_index(self, commit: str) -> None:
        """Rebuild an index that may hide something. Sparse checkouts need their marks."""
        index = read_index(self._worktree, commit)
        if (index is None or not index.plain) and not is_sparse(self._worktree):
            self._worktree.inside("index").unlink(missing_ok=True)
            self._worktree.git("read-tree", commit)

    def _empty(self, commit: str) -> None:
        """Reset all tracked files to a commit and delete the others, which have been kept by then."""
        self._worktree.git(*NO_HOOKS, "read-tree", "--reset", "-u", commit)
        sweep(self._worktree, ignored_too=self._ignored_too)

    def _check_out(self, branch: str, base: str, seq: int) -> None:
        worktree, ref = self._worktree, f"refs/heads/{branch}"
        tip = worktree.commit_id(ref)
        if tip not in (None, base):
            rescue_commit(self._repo, self._run_id, seq, str(tip))
        worktree.git(*NO_HOOKS, "read-tree", "--reset", "-u", base)
        worktree.git(*NO_HOOKS, "update-ref", ITSELF, "-m", f"pitboss: for {self._name}", ref, base)
        worktree.git(*NO_HOOKS, "symbolic-ref", "-m", f"pitboss: to {branch}", "HEAD", ref)
        for inner in nested.linked_ones(worktree, worktree.status(), base, everywhere=False):
            if inner.recorded is not None:
                nested.put_back(worktree, inner, inner.recorded)

    def _rescue(self, status: TreeStatus, base: str, seq: int) -> None:
        """Keep what the working copy holds beyond the run branch and the rescue refs."""
        worktree = self._worktree
        message = rescue_message(prompt=self._name, seq=seq, run_id=self._run_id, reason="left over")
        tips = snapshot.autostashes(worktree)
        if status.head and not (self._is_as_left(status) or is_released(worktree, status)):
            tips.append(status.head)
        tips += inner_work(worktree, self._inner(status, base), run_id=self._run_id, message=message)
        if self._ignored_too or self._meets_something(status, base):
            keep_in = RunPaths(self._repo.root, self._run_id).set_aside(seq)
            tips += unseen.keep_hidden(worktree, message=message, keep_in=keep_in)
        if status.dirty:
            tips.insert(0, snapshot.snapshot(worktree, status, message=message, base=base))
        for tip in commits.outside(worktree, tips, base):
            if tip == status.head or not self._is_kept(tip, status, base, seq):
                rescue_commit(self._repo, self._run_id, seq, tip)

    def _inner(self, status: TreeStatus, base: str) -> list[nested.Inner]:
        """Repositories inside that may hold work; ones among ignored files only if those get deleted too."""
        found = nested.linked_ones(self._worktree, status, base, everywhere=True)
        found += nested.new_ones(self._worktree, snapshot.new_paths(self._worktree, status))
        return found + (nested.below(self._worktree, ".") if self._ignored_too else [])

    def _is_kept(self, tip: str, status: TreeStatus, base: str, seq: int) -> bool:
        """Whether the base, HEAD or a rescue ref of the session holds the same files."""
        kept = (rescued.oid for rescued in rescue_refs.list_rescued(self._repo, self._run_id, seq))
        same = (base, status.head or base, *kept)
        return any(self._worktree.succeeds("diff-tree", "--quiet", tip, oid, "--") for oid in same)

    def _meets_something(self, status: TreeStatus, base: str) -> bool:
        """Whether anything, hidden perhaps, is where the base adds a file."""
        worktree = self._worktree
        return bool(status.head) and is_taken(worktree.root, added(changes(worktree, status.head, base)))


def touch_rules(changed: Changes) -> bool:
    """Whether ignore rules or attributes are among the changes: git then has to look at every file again."""
    return any(path.rpartition("/")[2] in _RULES for path in changed)


def sweep(worktree: Repo, *, ignored_too: bool) -> None:
    """Delete all untracked files. Raises GitError."""
    worktree.git("clean", "-ffdq", *(("-x",) if ignored_too else ()))
