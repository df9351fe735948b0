"""Looks at a small working tree without git, which is asked once what it ignores there, if there is anything (SPEC 6).

The index tells the rest: a file of which the file system says something else than it told git has changed, and a name
that is neither tracked nor known to be ignored is new. Whatever is in doubt, new names included, is left to git.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import msgspec

from pitboss.git.ignore_rules import RULES, Excludes
from pitboss.git.index_entries import IndexEntries, facts_of, may_be_older
from pitboss.git.new_objects import read_new
from pitboss.git.small_files import read_file
from pitboss.git.status import FEW_PATHS, TreeStatus
from pitboss.git.untouched import is_untouched
from pitboss.store.paths import PITBOSS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pitboss.git.index_entries import TrackedFile
    from pitboss.git.repo import Repo

MOST_IGNORED = 5_000
"""How many ignored paths are remembered; with more of them, git is asked each time."""

MOST_BYTES = 1024 * 1024
"""Larger files are not read, nor is a larger index: it holds more files than are looked at here."""

_OWN = frozenset({".git", PITBOSS_FOLDER})
_DECISIVE = frozenset({RULES, ".gitattributes", ".gitmodules"})
"""Files that decide how git takes others."""
_HASHES = {20: "sha1", 32: "sha256"}


class _InDoubtError(Exception):
    """Git has to be asked."""


class _Ignored(msgspec.Struct, frozen=True, kw_only=True):
    """What git ignored, folders with a slash at the end, and by which rules: outside the tree, and inside.

    Only what is beside tracked files counts: what else a folder holds may be ignored by rules that are not tracked.
    If it found a clean tree, `tree` is that of the commit `head`.
    """

    paths: frozenset[str]
    outside: Excludes
    inside: frozenset[tuple[str, bytes]]
    head: str
    tree: str | None


class Glances:
    """Looks at one working tree, again and again."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._index: IndexEntries | None = None
        self._written_ns = 0
        self._ignored: _Ignored | None = None

    def look(self, branch: str, base: str, rules: Excludes | None) -> TreeStatus | None:
        """What git would say of the tree, in which work began on `branch` at `base`; None if git has to look.

        Not whether untracked files of pitboss's folder are visible: they are never committed, and never count.
        `rules` are those outside the tree; None if they are not known to be what they were.
        """
        self._read_index(base)
        if rules is None or self._index is None:
            return None
        try:
            return self._look(branch, base, rules, self._index)
        except (_InDoubtError, OSError):
            return None

    def let_git_look(self, rules: Excludes | None, *, anew: bool = False) -> Callable[[], TreeStatus]:
        """Have git look, right after a look that was in vain, and learn from it; `anew` as in `status_call`.

        Whoever gets what this returns calls it once, and then waits. That raises GitError.
        """
        index = self._index
        if rules is None or index is None:
            return self._repo.begin_status(anew=anew)
        looking = self._repo.begin_status(ignored=True)

        def looked() -> TreeStatus:
            status = looking()
            self._ignored = _ignored(status, rules, index)
            return status

        return looked

    def is_untouched(self, commit: str) -> bool:
        """Whether the tree is as `commit`, and nothing else is there, not even ignored; no if only git can tell."""
        self._read_index(commit)
        return self._index is not None and is_untouched(self._repo, commit, self._index, self._written_ns)

    def _read_index(self, base: str) -> None:
        try:
            content, found = read_file(self._repo.inside("index"), MOST_BYTES)
            self._written_ns = found.st_mtime_ns
            self._index = (
                IndexEntries(content, hash_bytes=len(base) // 2)
                if self._index is None
                else self._index.update(content)
            )
        except (OSError, ValueError):
            self._index = None

    def _look(self, branch: str, base: str, rules: Excludes, index: IndexEntries) -> TreeStatus:
        """What git would say. Raises _InDoubtError, OSError."""
        known = self._ignored
        if known is not None and (known.outside, known.inside) != (rules, index.named(RULES)):
            known = None
        if not self._is_at(branch, base) or index.tree != self._tree_of(base, known):
            raise _InDoubtError
        changed = sorted(self._changed(index, known.paths if known else frozenset()))
        if len(changed) > FEW_PATHS or any(map(_is_decisive, changed)):
            raise _InDoubtError
        return TreeStatus(
            head=base,
            branch=branch,
            unborn=False,
            dirty=len(changed),
            few_paths=tuple(changed),
            only_edits=bool(changed),
            exact=not changed,
        )

    def _is_at(self, branch: str, base: str) -> bool:
        ref = f"refs/heads/{branch}"
        head, _ = read_file(self._repo.inside("HEAD"))
        return (
            head == f"ref: {ref}\n".encode()
            and read_file(self._repo.common_dir / ref)[0] == f"{base}\n".encode()
        )

    def _tree_of(self, commit: str, known: _Ignored | None) -> str | None:
        if known is not None and commit == known.head and known.tree is not None:
            return known.tree
        made = read_new(self._repo, commit)
        if made is None:
            raise _InDoubtError
        return made.tree

    def _changed(self, index: IndexEntries, ignored: frozenset[str]) -> Iterator[str]:
        for folder, tracked in index.folders.items():
            opened = os.open(
                os.path.join(self._repo.root, folder),  # noqa: PTH118
                os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC,
            )
            try:
                if folder.partition("/")[0] != PITBOSS_FOLDER:
                    _expect_nothing_new(opened, folder, tracked, ignored)
                for name, file in tracked.items():
                    if file is not None and self._has_changed(opened, name, file):
                        yield file.path
            finally:
                os.close(opened)

    def _has_changed(self, folder: int, name: str, file: TrackedFile) -> bool:
        try:
            found = os.lstat(name, dir_fd=folder)
        except FileNotFoundError:
            return True
        if file.facts == facts_of(found):
            if may_be_older(file, self._written_ns) and _object_name(folder, name, file, found) != file.oid:
                raise _InDoubtError
            return False
        # What has the size that git knows may have been written again as it was, or have another mode.
        if not stat.S_ISREG(found.st_mode) or (
            found.st_size == file.facts[-1] and _object_name(folder, name, file, found) == file.oid
        ):
            raise _InDoubtError
        return True


def _ignored(status: TreeStatus, rules: Excludes, index: IndexEntries) -> _Ignored | None:
    """What is learned from git's look at the tree, if anything."""
    if status.ignored is None or status.new_rules or len(status.ignored) > MOST_IGNORED:
        return None
    split = ((path, path.removesuffix("/").rpartition("/")) for path in status.ignored)
    beside = {path: name for path, (folder, _, name) in split if folder in index.folders}
    if RULES in beside.values():
        return None
    clean = not (status.dirty or status.pitboss_visible)
    return _Ignored(
        paths=frozenset(beside),
        outside=rules,
        inside=index.named(RULES),
        head=status.head,
        tree=index.tree if clean else None,
    )


def _expect_nothing_new(
    opened: int, folder: str, tracked: dict[str, TrackedFile | None], ignored: frozenset[str]
) -> None:
    """Raise _InDoubtError if anything else is in the folder than what is tracked or known to be ignored."""
    names = set(os.listdir(opened)) - tracked.keys()
    for name in names if folder else names - _OWN:
        is_folder = stat.S_ISDIR(os.lstat(name, dir_fd=opened).st_mode)
        path = f"{folder}/{name}" if folder else name
        if name == RULES or (f"{path}/" if is_folder else path) not in ignored:
            raise _InDoubtError


def _object_name(folder: int, name: str, file: TrackedFile, found: os.stat_result) -> bytes:
    """The object name of what is in a file or link. Raises _InDoubtError for what is neither, or large; OSError."""
    import hashlib

    if stat.S_ISLNK(found.st_mode):
        data = os.fsencode(os.readlink(name, dir_fd=folder))
    elif stat.S_ISREG(found.st_mode) and found.st_size <= MOST_BYTES:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        with open(os.open(name, flags, dir_fd=folder), "rb") as opened:  # noqa: PTH123 - of a descriptor
            data = opened.read()
    else:
        raise _InDoubtError
    kind = _HASHES[len(file.oid)]
    return hashlib.new(kind, b"blob %d\0" % len(data) + data, usedforsecurity=False).digest()


def _is_decisive(path: str) -> bool:
    """Whether git may take other files differently because of this one, or it is not to be committed."""
    return path.rpartition("/")[2] in _DECISIVE or path.partition("/")[0] == PITBOSS_FOLDER
