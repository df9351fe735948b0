"""Clears what an agent left in git's way: missing permissions, and pipes in place of tracked files (SPEC 1.2)."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.git.coarse_clock import TICK_NS
from pitboss.git.errors import GitError
from pitboss.store.modes import permit, permit_all

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from pitboss.git.repo import Repo

_DENIED = "Permission denied"
_SPECIAL = "can only add regular files"
_ORDINARY = (stat.S_IFREG, stat.S_IFLNK, stat.S_IFDIR)


def with_access(
    repo: Repo,
    *args: str,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    ok: tuple[int, ...] = (0,),
) -> bytes:
    """Run git, and again once what it could not read is out of its way; returns what it printed. Raises GitError.

    Permissions are restored. A pipe, socket or device in place of a tracked file is removed: it holds nothing to keep.
    """
    mended: set[str] = set()
    while True:
        try:
            return repo.git(*args, stdin=stdin, env=env, ok=ok)
        except GitError as error:
            said = next((words for words in (_DENIED, _SPECIAL) if words in error.stderr), None)
            if said is None or said in mended:
                raise
            mended.add(said)
            if said == _DENIED:
                _make_accessible(repo)
            else:
                _remove_special(repo, env)


def make_readable(folder: Path) -> None:
    """Restore the owner's permissions on everything in a folder; symbolic links are not followed. Raises OSError."""
    permit_all(folder, _needed)


def open_folders(repo: Repo, folders: Iterable[str], since: datetime) -> bool:
    """Restore the owner's permissions on folders of the tree that were closed since then; returns whether on any.

    What was closed before stays so: it is the user's.
    """
    opened, since_ns = False, int(since.timestamp() * 1e9) - TICK_NS
    for place in _in_tree(repo, os.fsencode("\0".join(folders))):
        with suppress(OSError):
            if os.lstat(place).st_ctime_ns >= since_ns:
                make_readable(place)
                opened = True
    return opened


def _make_accessible(repo: Repo) -> None:
    """Restore the owner's permissions on changed and untracked files."""
    listed = repo.git("ls-files", "-z", "--others", "--modified", "--exclude-standard", "--directory")
    for place in _in_tree(repo, listed):
        permit(place.parent, _needed)
        make_readable(place)


def _remove_special(repo: Repo, env: Mapping[str, str] | None) -> None:
    """Remove what is neither a file, a link nor a folder from the places of files that the index holds."""
    for place in _in_tree(repo, repo.git("ls-files", "-z", "--modified", env=env)):
        if os.path.lexists(place) and stat.S_IFMT(os.lstat(place).st_mode) not in _ORDINARY:
            place.unlink()


def _in_tree(repo: Repo, listed: bytes) -> Iterator[Path]:
    """Where these paths are; what a link in place of a folder leads to is somebody else's, and left out."""
    root = Path(os.path.realpath(repo.root))
    for path in filter(None, os.fsdecode(listed).split("\0")):
        place = root / path
        if Path(os.path.realpath(place.parent)) == place.parent:
            yield place


def _needed(mode: int, _path: str) -> int:
    return stat.S_IRWXU if stat.S_ISDIR(mode) else stat.S_IRUSR
