"""The user's checkout of the run branch, which follows it while sessions land from elsewhere (SPEC 6, 7).

Changes made there meanwhile stay if they do not collide with what landed, else they are rescued. If it cannot follow
now, because the user's own git holds the index or a filter fails, it catches up later: what has landed has landed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.text import rescue_message
from pitboss.errors import StartError
from pitboss.git import snapshot
from pitboss.git.errors import GitError, tells_full_disk
from pitboss.git.locks import remove_stale_locks
from pitboss.git.merge import changed_paths
from pitboss.landing import rescue_refs
from pitboss.landing.refs import lock_scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pitboss.git.repo import Repo

RECENT = 50
"""Landings that the checkout may have been about to follow at once: no more sessions wait for that, or few."""

FROM_STDIN = ("--pathspec-from-file=-", "--pathspec-file-nul")


class RescueLabel(msgspec.Struct, frozen=True, kw_only=True):
    """Names the session whose landing causes work in the user's tree to be rescued; `text` is the commit message."""

    run_id: str
    seq: int
    text: str

    @classmethod
    def of(cls, run_id: str, seq: int, who: str) -> RescueLabel:
        """The label for whatever is in the way while `who` lands."""
        reason = "in the way in the working tree"
        return cls(
            run_id=run_id, seq=seq, text=rescue_message(prompt=who, seq=seq, run_id=run_id, reason=reason)
        )


class UserCheckout:
    """The user's working tree; it is left alone unless the run branch `name` is checked out there."""

    def __init__(self, repo: Repo, name: str) -> None:
        self._repo = repo
        self._name = name
        self._ref = f"refs/heads/{name}"
        self._left_at: str | None = None

    def follow(self, old: str, new: str, label: RescueLabel, *, adds: bool = True) -> tuple[str, ...]:
        """Bring index and files from `old` to `new`, where the branch now is; if git fails, later.

        Returns the refs of what was rescued. Raises GitError if the disk is full.
        """
        try:
            return self._bring(old, new, label, again=False, adds=adds) if self._is_here() else ()
        except GitError as error:
            if tells_full_disk(error.stderr):
                raise
            self._left_at = self._left_at or old
            return ()

    def resume(self, tip: str, label: RescueLabel) -> tuple[str, ...]:
        """Finish what a dead runner may have left half done after moving the branch to `tip`.

        Returns the refs of what was rescued. Raises GitError.
        """
        if not self._is_here() or not self._repo.status().dirty:
            return ()
        return self._bring(self._origin(tip), tip, label, again=True)

    def retry(self, tip: str, label: RescueLabel, *, wait_s: float) -> None:
        """Bring it to `tip` if it could not follow before.

        A git of the user's that is still at work gets `wait_s` seconds to end; locks of dead ones are removed. Raises
        StartError, which says how to bring the tree along by hand.
        """
        left_at = self._left_at
        if left_at is None or not self._is_here():
            return
        try:
            remove_stale_locks(self._repo, lock_scope(self._repo, self._name), wait_s=wait_s)
            self._bring(tip, tip, label, again=False)
        except (StartError, GitError) as held:
            raise StartError(
                f"the working tree could not follow {self._name}: {held.message}",
                hint=f"once that is over, `git read-tree -m -u {left_at[:12]} HEAD` brings it along",
            ) from held

    def _is_here(self) -> bool:
        """Whether the user is still on the run branch."""
        return self._repo.on_branch() == self._ref

    def _origin(self, tip: str) -> str:
        """The commit of the branch that the files come from, on their way to `tip`.

        That of the index, unless an older one explains them better: the index may have been written before the files,
        and the branch may have moved on since.
        """
        files = snapshot.tree_of(self._repo, self._repo.root, base=tip)
        unlike_tip = changed_paths(self._repo, tip, files)
        recent = ("rev-list", "--first-parent", "--skip=1", f"--max-count={RECENT}", tip, "--")
        origin, fewest = self._commit(tip), None
        for commit in (origin, *self._repo.git(*recent).decode().split()):
            unexplained = len(changed_paths(self._repo, commit, files) & unlike_tip)
            if fewest is None or unexplained < fewest:
                origin, fewest = commit, unexplained
            if not fewest:
                break
        return origin

    def _commit(self, tip: str) -> str:
        """The commit of the branch that the index was made from; a dead runner may have left it some commits behind."""
        tree = self._repo.line("write-tree")
        log = self._repo.git("log", "--first-parent", "--max-count=200", "--format=%T %H", self._ref, "--")
        commits = dict(line.split() for line in reversed(log.decode().splitlines()))
        found = commits.get(tree)
        if found is not None and found != tip:
            return found
        return self._repo.commit_id(f"{self._name}@{{1}}") or tree

    def _bring(
        self, old: str, new: str, label: RescueLabel, *, again: bool, adds: bool = True
    ) -> tuple[str, ...]:
        if self._left_at is not None:
            old, self._left_at, again, adds = self._left_at, None, True, True
        hidden = self._ignored_in_the_way(old, new) if adds else []
        try:
            if not hidden and self._moves(old, new) and not (again and self._is_stale(old, new)):
                return ()
            return self._overrule(old, new, label, hidden)
        except GitError as error:
            self._left_at = old
            if not error.lock_in_the_way:
                raise
            return ()

    def _moves(self, old: str, new: str) -> bool:
        """Move index and files from one commit to another; False if edits are in the way."""
        try:
            self._repo.git("read-tree", "-m", "-u", old, new)
        except GitError as error:
            if error.lock_in_the_way or error.code != 128:
                raise
            return False
        return True

    def _overrule(self, old: str, new: str, label: RescueLabel, hidden: Sequence[str]) -> tuple[str, ...]:
        """Set the files that differ between two commits to the newer one, whatever they hold now; other edits stay.

        A checkout that was cut short holds files of both; anything else is someone's work, and rescued first.
        """
        if hidden:
            self._repo.git("add", "-f", *FROM_STDIN, stdin=_listed(hidden))
        dirt = snapshot.snapshot(self._repo, self._repo.status(), message=label.text, base=old)
        foreign = changed_paths(self._repo, old, dirt) & changed_paths(self._repo, new, dirt)
        landing = changed_paths(self._repo, old, new)
        refs = self._kept(dirt, label) if foreign & landing else ()
        if not self._write(old, new):
            # Something is where a file or folder has to go: then all of it is removed.
            refs = refs or (self._kept(dirt, label) if foreign else ())
            # The branch may be further by now, as others land meanwhile.
            snapshot.put_back_files(self._repo, new)
            snapshot.clean(self._repo)
        self._repo.git("update-index", "-q", "--refresh", ok=(0, 1))
        return refs

    def _kept(self, dirt: str, label: RescueLabel) -> tuple[str, ...]:
        return rescue_refs.keep(self._repo, label.run_id, label.seq, [dirt], why="in the way")

    def _write(self, old: str, new: str) -> bool:
        """Write and delete the files that differ between two commits; False if some could not be."""
        self._repo.git("read-tree", new)
        for path in changed_paths(self._repo, old, new, only="D"):
            with suppress(OSError):
                (self._repo.root / path).unlink()
        written = _listed(changed_paths(self._repo, old, new, only="d"))
        done = self._repo.run(
            "checkout-index", "-f", "-u", "-q", "-z", "--stdin", stdin=written, ok=(0, 1, 128)
        )
        return done.code == 0

    def _ignored_in_the_way(self, old: str, new: str) -> list[str]:
        """Existing files that neither `old` nor the index knows: git would overwrite ignored ones."""
        added = changed_paths(self._repo, old, new, only="A")
        return sorted(path for path in added if os.path.lexists(self._repo.root / path))

    def _is_stale(self, old: str, new: str) -> bool:
        """Whether a checkout that was cut short updated the index, but not every file."""
        unlike = os.fsdecode(self._repo.git("diff-files", "-z", "--name-only")).split("\0")
        return not changed_paths(self._repo, old, new).isdisjoint(unlike)


def _listed(paths: Iterable[str]) -> bytes:
    return b"".join(os.fsencode(path) + b"\0" for path in sorted(paths))
