"""A copy of the index while others work in the tree: only it knows which ignored files are tracked (SPEC 1.2)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pitboss.git.errors import GitError
from pitboss.git.index import read_index
from pitboss.git.small_files import read_file
from pitboss.git.sparse import is_sparse
from pitboss.store.stamps import stamp_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from pitboss.git.repo import Repo

BACKUP = "pitboss-kept-index"
_SIGNATURE = b"DIRC"
# The cache of untracked files was true of the index at that time; with a newer one git would trust it wrongly.
_NO_CACHE = ("-c", "core.untrackedCache=false")
_MARKS = ("assume-unchanged", "skip-worktree")


class IndexBackup:
    """A copy of the index, in git's own folder, for as long as someone else may break the index."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._index = repo.inside("index")
        self._copy = repo.inside(BACKUP)
        self._seen: tuple[int, ...] | None = None

    def save(self) -> None:
        """Copy the index as it is; a hard link would not survive a program that writes the file in place.

        Lack of space for a copy is no obstacle: the last commit can stand in for it.
        """
        self.drop()
        try:
            self._seen = stamp_in(os.lstat(self._index))
            _copy(self._index, self._copy)
        except OSError:
            self.drop()

    def drop(self) -> None:
        """Remove the copy."""
        self._seen = None
        self._copy.unlink(missing_ok=True)

    @property
    def path(self) -> Path:
        """The copy; its ctime tells when it was made, by the file system's clock."""
        return self._copy

    def was_written(self) -> bool:
        """Whether somebody may have written the index since it was saved."""
        try:
            return stamp_in(os.lstat(self._index)) != self._seen
        except OSError:
            return True

    def date_back(self, since_ns: int) -> None:
        """Have git compare contents of files that were written since then. Raises OSError.

        It trusts their times once it has written an index in a later second; of files that it cannot reach at that
        moment wrongly, as in a closed folder.
        """
        found = os.lstat(self._index)
        if found.st_mtime_ns > since_ns:
            os.utime(self._index, ns=(found.st_atime_ns, since_ns), follow_symlinks=False)

    def is_sound(self, commit: str) -> bool:
        """Whether there is an index and it is whole; `commit` is any in the repository, to tell its kind of hash.

        Git itself checks only the beginning, and takes a truncated index for deletions.
        """
        try:
            unchanged = stamp_in(os.lstat(self._index)) == self._seen
            # Git would write where a link points.
            return unchanged or (not self._index.is_symlink() and _is_whole(self._index, commit))
        except OSError:
            return False

    def unmark(self, commit: str) -> None:
        """Have git look again at files that it was told to overlook since the index was saved. Raises GitError.

        Marks that were there before are the user's. Sparse checkouts need theirs. Files that git put away with a mark,
        for a sparse checkout that is none any more, come back: nobody has deleted them. `commit` is as for `is_sound`.
        """
        if not self.was_written() or not self._copy.exists():
            return
        facts = read_index(self._repo, commit)
        if facts is None or facts.plain:
            return
        before = self._marks({"GIT_INDEX_FILE": str(self._copy)})
        marks = [(mark, path) for mark, path in self._marks({}) if (mark, path) not in before]
        sparse = bool(marks) and is_sparse(self._repo)
        for mark in ("assume-unchanged",) if sparse else _MARKS:
            if paths := [path + b"\0" for found, path in marks if found == mark]:
                self._repo.git("update-index", f"--no-{mark}", "-z", "--stdin", stdin=b"".join(paths))
                if mark == "skip-worktree":
                    self._bring_back(paths)

    def _bring_back(self, paths: Iterable[bytes]) -> None:
        """Write files again that are not there, where nothing else is in their place."""
        root = os.fsencode(self._repo.root)
        gone = [path for path in paths if _is_free(root, path[:-1])]
        if gone:
            self._repo.git("checkout-index", "--quiet", "-u", "-z", "--stdin", stdin=b"".join(gone))

    def _marks(self, env: Mapping[str, str]) -> set[tuple[str, bytes]]:
        """Marks and the paths that have them; see `git ls-files -v`."""
        listed = self._repo.git("ls-files", "-z", "-v", env=env).split(b"\0")
        letters = [(line[:1], line[2:]) for line in listed]
        overlooked = {("assume-unchanged", path) for letter, path in letters if letter.islower()}
        return overlooked | {("skip-worktree", path) for letter, path in letters if letter in (b"S", b"s")}

    def restore(self, base: str) -> None:
        """Replace the index with the copy brought up to HEAD, or to `base` if HEAD names no commit.

        Flags on paths (skip-worktree, assume-unchanged) stay. If the copy is unusable too, the index is rebuilt
        from the commit alone. Raises GitError.
        """
        if not (self._copy.exists() and _is_whole(self._copy, base)):
            self.drop()
        commit = self._repo.commit_id("HEAD") or base
        try:
            self._bring_up(commit)
        except GitError as error:
            if not error.index_is_broken:
                raise
            self.drop()  # most of a split index is in another file, of which there is no copy
            self._bring_up(commit)
        self._copy.replace(self._index)

    def _bring_up(self, commit: str) -> None:
        """Make the copy an index of this commit; where there is none, a new one."""
        env = {"GIT_INDEX_FILE": str(self._copy)}
        self._repo.git(*_NO_CACHE, "read-tree", "--reset", commit, env=env)
        if is_sparse(self._repo):
            self._repo.git("sparse-checkout", "reapply", env=env)


def _copy(index: Path, copy: Path) -> None:
    """Copy an index, with its time: git suspects files that are no older than the index of having changed."""
    content, found = read_file(index)
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(descriptor, "wb", buffering=0) as file:  # noqa: PTH123 - of a descriptor
        unwritten = memoryview(content)
        while unwritten:
            unwritten = unwritten[file.write(unwritten) :]
        os.fchmod(descriptor, stat.S_IMODE(found.st_mode))
        os.utime(descriptor, ns=(found.st_atime_ns, found.st_mtime_ns))


def _is_free(root: bytes, path: bytes) -> bool:
    """Whether nothing has this name, and what there is above it are folders."""
    place = os.path.join(root, path)  # noqa: PTH118 - may be many
    if os.path.lexists(place):
        return False
    while not os.path.lexists(place):
        place = os.path.dirname(place)  # noqa: PTH120
    return os.path.isdir(place) and not os.path.islink(place)  # noqa: PTH112, PTH114


def _is_whole(index: Path, commit: str) -> bool:
    """Whether an index ends with the hash of the rest, or with zeros if the user turned that off."""
    import hashlib

    content = memoryview(read_file(index)[0])
    digest = hashlib.new("sha1" if len(commit) == 40 else "sha256", usedforsecurity=False)
    body, end = content[: -digest.digest_size], bytes(content[-digest.digest_size :])
    digest.update(body)
    return bytes(body[:4]) == _SIGNATURE and (end == digest.digest() or not any(end))
