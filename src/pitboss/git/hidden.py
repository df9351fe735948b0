"""Files that only new ignore rules hide: found, kept in a commit, or moved whole (SPEC 1.2)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import msgspec

from pitboss.git import commits, raw, snapshot
from pitboss.git.access import make_readable
from pitboss.git.errors import GitError
from pitboss.git.ignore_rules import RULES, CommitRules
from pitboss.store.paths import PITBOSS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from pitboss.git.repo import Repo

LIMIT = 64 * 1024 * 1024
"""Bytes to keep in git at most, unless `[grind] rescue_ignored_mb` says otherwise."""
MANY = 20_000
"""How many files are kept one by one at most."""
_ADD = ("-c", "core.safecrlf=false", "update-index", "--add", "--remove", "--replace", "-z", "--stdin")
_IGNORED = ("status", "--porcelain", "-z", "--no-renames", "--ignored=matching", "--untracked-files=all")


class Hidden(msgspec.Struct, frozen=True, kw_only=True):
    """What is hidden: the `files`, or the `places` that hold them if they are `too_much` to keep in git.

    `dropped` are the places that a commit's own files would overwrite. Paths are relative to the root;
    folders end with a slash.
    """

    files: tuple[str, ...] = ()
    places: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    too_much: bool = False

    def __bool__(self) -> bool:
        return bool(self.files)


def has_newer_rules(repo: Repo, since_ns: int) -> bool:
    """Whether there is a `.gitignore` that is itself ignored and was written since then."""
    rules = (path for path in _ignored(_listed(repo)) if path.rpartition("/")[2] == RULES)
    return any(_changed_at(repo.root / path) >= since_ns for path in rules)


def find(
    repo: Repo, base: str, beside: bytes, *, since_ns: int, dropped: Iterable[str], limit: int
) -> Hidden:
    """What is ignored in the tree, though not by the rules of `base` or those `beside` it.

    Only files written since `since_ns` count, by the file system's own clock. `dropped` are files that `base` holds but
    the index no longer does. More than `limit` bytes are too much. Raises GitError.
    """
    listed = _listed(repo)
    ignored = _ignored(listed)
    visible = {entry[3:] for entry in listed if entry.startswith("?? ")}
    taken = [path for path in dropped if path not in visible]
    rules = CommitRules(repo, base, beside)
    try:
        for path in ignored:
            if path.rpartition("/")[2] == RULES and _changed_at(repo.root / path) < since_ns:
                rules.add(path, (repo.root / path).read_bytes())
        return _Search(repo.root, rules, since_ns, limit).run(ignored, taken)
    finally:
        rules.close()


def _listed(repo: Repo) -> list[str]:
    return os.fsdecode(repo.git(*_IGNORED)).split("\0")


def _ignored(listed: Iterable[str]) -> list[str]:
    paths = (entry[3:] for entry in listed if entry.startswith("!! "))
    return [path for path in paths if path.partition("/")[0] != PITBOSS_FOLDER]


class _Search:
    """Descends, level by level, into what the old rules do not ignore."""

    def __init__(self, root: Path, rules: CommitRules, since_ns: int, limit: int) -> None:
        self._root = root
        self._rules = rules
        self._since_ns = since_ns
        self._limit = limit
        self._files: list[str] = []
        self._bytes = 0

    def run(self, ignored: Sequence[str], dropped: Sequence[str]) -> Hidden:
        for path in dropped:
            self._take(path, 0)
        first = self._news(ignored)
        level = first
        while level and not self._too_much():
            level = self._news([path for entry in level for path in self._entries(entry)])
        files = tuple(dict.fromkeys(self._files))
        taken = tuple(path for path in dropped if path in files)
        places = tuple(dict.fromkeys((*taken, *first)))
        return Hidden(files=files, places=places, dropped=taken, too_much=self._too_much())

    def _news(self, paths: Sequence[str]) -> list[str]:
        old = self._rules.ignored(paths) if paths else set()
        return [path for path in paths if path not in old]

    def _entries(self, path: str) -> list[str]:
        """What a folder holds; a file is collected."""
        if not path.endswith("/"):
            self._take(path, self._since_ns)
            return []
        try:
            with os.scandir(self._root / path) as found:
                names = [(e.name, e.is_dir(follow_symlinks=False)) for e in found if e.name != ".git"]
        except OSError:
            return []
        return [f"{path}{name}{'/' * is_folder}" for name, is_folder in sorted(names)]

    def _take(self, path: str, since_ns: int) -> None:
        try:
            facts = os.lstat(self._root / path)
        except OSError:
            return
        if (stat.S_ISREG(facts.st_mode) or stat.S_ISLNK(facts.st_mode)) and facts.st_ctime_ns >= since_ns:
            self._files.append(path)
            self._bytes += facts.st_size

    def _too_much(self) -> bool:
        return self._bytes > self._limit or len(self._files) > MANY


def commit_of(repo: Repo, hidden: Hidden, *, base: str, message: str, known: Sequence[str]) -> str:
    """A commit on top of `base`, on no branch, that adds the files; reuses a `known` one that is the same."""
    with snapshot.scratch_index(repo, "hidden") as env:
        repo.git("read-tree", base, env=env)
        try:
            _add(repo, hidden.files, env)
        except GitError:
            for path in hidden.places:
                make_readable(repo.root / path)
            _add_anyhow(repo, hidden.files, env)
        tree = os.fsdecode(repo.git("write-tree", env=env)).strip()
    return commits.commit_once(repo, tree, [base], message=message, known=known)


def _add(repo: Repo, paths: Iterable[str], env: Mapping[str, str]) -> None:
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    repo.git(*_ADD, stdin=names, env=env)


def _add_anyhow(repo: Repo, paths: Sequence[str], env: Mapping[str, str]) -> None:
    """Add files; one that git cannot convert goes in as it is."""
    try:
        _add(repo, paths, env)
    except GitError as error:
        if not error.cannot_convert:
            raise
        files = raw.regular(repo, paths)
        raw.stage(repo, files, env=env)
        _add(repo, set(paths).difference(files), env)


def _changed_at(path: Path) -> int:
    return os.lstat(path).st_ctime_ns if os.path.lexists(path) else 0
