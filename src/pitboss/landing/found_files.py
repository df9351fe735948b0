"""Files of git's as a run found them: read, put back whole, and moved out of the way (SPEC 1.6)."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import msgspec

from pitboss.store.opening import PRIVATE, entry_at, open_users

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LARGEST = 16 * 1024 * 1024
"""Bytes of a file that are kept: a hook may be a program of some size."""

_DEEPEST = 4
_TRIES = 4
"""How often to set aside what an agent that is still at work puts in a file's place."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A file as it was found: permissions and content; or a link, and what it says; or a folder.

    Of a file that is larger than what is kept of it, `size` says how large.
    """

    mode: int = 0
    content: bytes = b""
    size: int | None = None
    link: str | None = None
    folder: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether it can be put back."""
        return self.size is None


def read_found(path: Path, *, as_is: bool = False) -> Found | None:
    """A regular file, or one that a link of the user's leads to; None for anything else.

    With `as_is`, a link stands for itself, as what it leads to may be sessions' work, and so does a folder.
    """
    if as_is:
        with suppress(OSError):
            return Found(link=os.readlink(path))  # noqa: PTH115 - a text
        if path.is_dir():
            return Found(folder=True)
    try:
        with open_users(path) as file:
            facts = os.fstat(file.fileno())
            content = file.read(LARGEST)
    except OSError:
        return None
    size = facts.st_size if facts.st_size > LARGEST else None
    return Found(mode=stat.S_IMODE(facts.st_mode), content=content, size=size)


def put_found(path: Path, found: Found, clear: Callable[[], Path | None]) -> Path | None:
    """Put a file in place; `clear` sets aside what is there, once all of the new one is on the disk.

    Returns what `clear` did. Raises OSError, also if a folder is put in its place again and again.
    """
    if found.folder:
        kept = clear()
        path.mkdir(parents=True, exist_ok=True)
        return kept
    with _made(path, found) as fresh:
        kept = clear()
        for _ in range(_TRIES):
            with suppress(IsADirectoryError):
                fresh.replace(path)
                return kept
            clear()
        fresh.replace(path)
    return kept


def paths_below(folder: str | Path, inside: str = "") -> Iterator[str]:
    """What is in a folder, then in those inside it, some levels down, by path from there; nothing of a repository."""
    folders = []
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            yield f"{inside}{entry.name}"
            if entry.is_dir(follow_symlinks=False) and entry.name != ".git" and inside.count("/") < _DEEPEST:
                folders.append(entry)
    for entry in folders:
        yield from paths_below(entry.path, f"{inside}{entry.name}/")


@contextmanager
def _made(path: Path, found: Found) -> Iterator[Path]:
    """The file under another name beside `path`, which is gone afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.pitboss-{os.getpid()}")
    fresh.unlink(missing_ok=True)  # left by a crash
    try:
        if found.link is None:
            _write(fresh, found)
        else:
            fresh.symlink_to(found.link)
        yield fresh
    finally:
        fresh.unlink(missing_ok=True)


def _write(fresh: Path, found: Found) -> None:
    """Durably: after a power cut, git could not work with half a config."""
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, PRIVATE)
    with open(descriptor, "wb") as file:  # noqa: PTH123 - of a descriptor
        file.write(found.content)
        os.fchmod(descriptor, found.mode)
        file.flush()
        os.fsync(descriptor)


def move_aside(path: Path, target: Path) -> bool:
    """Move whatever is at `path` to a free name in the run directory; False if it was removed instead.

    A working tree and git's folder may be on two disks. Raises OSError.
    """
    try:
        with entry_at(target, make=True) as at:
            os.rename(path, at.name, dst_dir_fd=at.folder)
    except OSError as error:
        if error.errno == errno.EXDEV and _copied(path, target):
            return True
        path.unlink()  # nowhere to keep it, and it may not stay
        return False
    return True


def _copied(path: Path, target: Path) -> bool:
    import shutil

    with suppress(OSError):
        shutil.move(path, target)
        return True
    return False
