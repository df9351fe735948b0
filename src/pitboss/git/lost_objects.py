"""Finds what commits name and git cannot read, and writes it again from files that still hold it (SPEC 1.2)."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.git.errors import GitError
from pitboss.git.new_objects import content_of_new
from pitboss.git.snapshot import scratch_index

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from pitboss.git.repo import Repo

_LISTED = ("rev-list", "--objects", "--no-object-names", "--missing=print", "--ancestry-path")
_MARK = b"?"
_NAMES = lazy_pattern(r"\b(?:[0-9a-f]{40}|[0-9a-f]{64})\b")
_SUFFIX = ".lost"
_FILE = b"100"
_CHECK = ("cat-file", "--batch-check=%(objectname) %(objecttype)")
_MISSING = b" missing"
_PROMISED = ".promisor"
_TRACKED = ("ls-files", "-z", "--stage")
_WRITE = ("hash-object", "-w", "--stdin-paths")


def lost_objects(repo: Repo, base: str, tip: str) -> frozenset[bytes]:
    """Objects of commits from `base`, which is not among them, to `tip` that git has lost or cannot read.

    Perhaps not all of them; none if none is lost. Raises GitError.
    """
    try:
        listed = repo.git(*_LISTED, f"{base}..{tip}", "--").split()
    except GitError as error:
        listed = [os.fsencode(oid) for oid in _NAMES.findall(error.stderr)]
        if not error.objects_are_broken or not (lost := _unreadable(repo, listed)):
            raise
        return lost
    if any(oid.startswith(_MARK) for oid in listed) and _is_partial(repo):
        listed = [oid for oid in listed if not oid.startswith(_MARK)]
    return _unreadable(repo, (oid.removeprefix(_MARK) for oid in listed))


def _is_partial(repo: Repo) -> bool:
    """Whether it is a partial clone: what that has not got, its remote has, and git would fetch it one by one."""
    with suppress(OSError), os.scandir(repo.common_dir / "objects" / "pack") as packs:
        return any(pack.name.endswith(_PROMISED) for pack in packs)
    return False


def write_again(repo: Repo, lost: frozenset[bytes]) -> bool:
    """Write lost objects again that tracked files and the index still hold; returns whether none is lost any more.

    Raises GitError if there is no index to be read.
    """
    with _out_of_the_way(repo, lost):
        tracked = repo.git(*_TRACKED)
        entries = (entry.partition(b"\t") for entry in tracked.split(b"\0"))
        holding = [path for facts, _, path in entries if facts.startswith(_FILE) and facts.split()[1] in lost]
        if paths := [path + b"\n" for path in holding if b"\n" not in path and _is_file(repo, path)]:
            repo.git(*_WRITE, stdin=b"".join(paths))
        with scratch_index(repo, "lost") as env:  # git's own knows folders, and would not write them
            repo.git("update-index", "-z", "--index-info", stdin=tracked, env=env)
            # 128: the index holds a conflict, or what is lost for good
            repo.run("write-tree", env=env, ok=(0, 128))
        return not _unreadable(repo, lost)


@contextmanager
def _out_of_the_way(repo: Repo, lost: Iterable[bytes]) -> Iterator[None]:
    """Move files of lost objects: where there is any, git writes none. They come back unless it has written others."""
    moved: dict[Path, Path] = {}
    for oid in map(os.fsdecode, lost):
        path = repo.common_dir / "objects" / oid[:2] / oid[2:]
        with suppress(FileNotFoundError):
            moved[path] = path.rename(path.with_suffix(_SUFFIX))
    try:
        yield
    finally:
        for path, aside in moved.items():
            if path.exists():
                aside.unlink()
            else:
                aside.rename(path)


def _unreadable(repo: Repo, oids: Iterable[bytes]) -> frozenset[bytes]:
    asked = [oid for oid in oids if not content_of_new(repo, os.fsdecode(oid))]
    said = repo.git(*_CHECK, stdin=b"".join(oid + b"\n" for oid in asked)).splitlines() if asked else ()
    return frozenset(line.removesuffix(_MISSING) for line in said if line.endswith(_MISSING))


def _is_file(repo: Repo, path: bytes) -> bool:
    place = repo.root / os.fsdecode(path)
    return place.is_file() and not place.is_symlink()
