"""A copy of the index while others work in the tree: it alone knows what is tracked though ignored (SPEC 1.2)."""

from __future__ import annotations

import hashlib
import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.git.repo import Repo

BACKUP = "pitboss-kept-index"
_SIGNATURE = b"DIRC"
# What is cached of untracked files is true of the index as it was then: a newer one would be trusted with it.
_NO_CACHE = ("-c", "core.untrackedCache=false")
_SPARSE = ("config", "--get", "--type=bool", "core.sparseCheckout")


class IndexBackup:
    """A copy of the index, in git's own folder, for as long as somebody else may break the index."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._index = repo.inside("index")
        self._copy = repo.inside(BACKUP)
        self._seen: tuple[int, ...] | None = None

    def save(self) -> None:
        """Copy the index as it is; a link would not outlive a program that writes into the file itself.

        No room for a copy stops nobody: the last commit can stand in for it.
        """
        self.drop()
        try:
            self._seen = _identity(self._index)
            # With its time: git takes files that are no older than the index for possibly changed.
            shutil.copy2(self._index, self._copy)
        except OSError:
            self.drop()

    def drop(self) -> None:
        """Remove the copy."""
        self._seen = None
        self._copy.unlink(missing_ok=True)

    @property
    def path(self) -> Path:
        """The copy; when it was made, by the file system's clock, is its time of change."""
        return self._copy

    def is_sound(self, commit: str) -> bool:
        """Whether there is an index and it is whole; `commit` is any of the repository's, for its kind of hash.

        Git itself looks at the beginning alone, and takes one that was cut short for deletions.
        """
        try:
            unchanged = _identity(self._index) == self._seen
            # Git would write where a link leads.
            return unchanged or (not self._index.is_symlink() and _is_whole(self._index, commit))
        except OSError:
            return False

    def restore(self, base: str) -> None:
        """Replace the index by the copy brought up to HEAD, or to `base` where HEAD names no commit.

        Marks of paths (skip-worktree, assume-unchanged) stay. Where the copy is of no use either, the commit
        alone makes the index. Raises GitError.
        """
        if not (self._copy.exists() and _is_whole(self._copy, base)):
            self.drop()
        env = {"GIT_INDEX_FILE": str(self._copy)}
        self._repo.git(*_NO_CACHE, "read-tree", "--reset", self._repo.commit_id("HEAD") or base, env=env)
        if self._repo.git(*_SPARSE, ok=(0, 1)).strip() == b"true":
            self._repo.git("sparse-checkout", "reapply", env=env)
        self._copy.replace(self._index)


def _identity(path: Path) -> tuple[int, ...]:
    """What differs as soon as a program has written the file."""
    stat = os.lstat(path)
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _is_whole(index: Path, commit: str) -> bool:
    """Whether an index ends with the hash of the rest, or with zeros where the user turned that off."""
    content = memoryview(index.read_bytes())
    digest = hashlib.new("sha1" if len(commit) == 40 else "sha256", usedforsecurity=False)
    body, end = content[: -digest.digest_size], bytes(content[-digest.digest_size :])
    digest.update(body)
    return bytes(body[:4]) == _SIGNATURE and (end == digest.digest() or not any(end))
