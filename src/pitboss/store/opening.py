"""The only way to anything under `.pitboss`: follows no link, writes to nothing that is in the way (SPEC 1.6).

Agents may replace anything with anything at any moment: a file with a link to a key, a pipe that nobody reads or a
hard link to `~/.bashrc`, a whole folder with a link. So a path is walked name by name, each opened relative to the one
before, or all in one system call that follows no link. The walk starts at a folder that is the user's (`anchors`).

Writers rename what is in the way to `NAME.set-aside-N`, and `take_notices` reports it once. Readers get an OSError.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from pitboss.store import anchors
from pitboss.store.modes import permit

if TYPE_CHECKING:
    from types import TracebackType

    from pitboss.store.anchors import AnyPath, Descent


PRIVATE = 0o600
"""What sessions leave is for the owner alone: transcripts and logs may hold private data."""

PRIVATE_FOLDER = 0o700

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_BLOCKED = (errno.ELOOP, errno.ENOTDIR, errno.EMLINK, errno.ENXIO, errno.EISDIR, errno.ENODEV, errno.EINVAL)
_TRIES = 8
_MOST_NOTICES = 100

_notices: deque[str] = deque(maxlen=_MOST_NOTICES)


class FolderEntry(NamedTuple):
    """A name in an open folder. `ours` says that it must not be a link."""

    folder: int
    name: str
    ours: bool


class InTheWay(OSError):
    """A link, pipe, folder or file with a second hard link stands where a file of the run should be."""


def take_notices() -> list[str]:
    """What was set aside since the last call, in words for the user."""
    return list(iter(_next_notice, None))


def notice(text: str) -> None:
    """Add a sentence to what `take_notices` reports."""
    _notices.append(text)


class _At(AbstractContextManager[FolderEntry]):
    """What `entry_at` returns: a class, because a generator takes longer than the system calls in it."""

    __slots__ = ("_entry", "_make", "_path")

    def __init__(self, path: str, *, make: bool) -> None:
        self._path = path
        self._make = make

    def __enter__(self) -> FolderEntry:
        way = anchors.way_to(self._path)
        folder = anchors.at_once(way)
        if folder == -errno.ENOENT and not self._make:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), self._path)
        if folder < 0:
            folder = _walk(way, make=self._make)
        self._entry = FolderEntry(folder, way.name, way.ours)
        return self._entry

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._entry.folder)


def entry_at(path: AnyPath, *, make: bool = False) -> AbstractContextManager[FolderEntry]:
    """The open folder of `path`, and its last name; `make` creates our missing folders. Raises OSError."""
    return _At(os.fspath(path), make=make)


def open_folder(path: AnyPath, *, make: bool = False) -> int:
    """A descriptor of the folder at `path`; `make` creates it if missing. Raises OSError."""
    folder = anchors.at_once(anchors.way_to(os.path.join(path, os.curdir)))
    if folder >= 0:
        return folder
    with entry_at(path, make=make) as at:
        return _enter(at.folder, at.name, make=make, ours=at.ours)


def open_inner(folder: int, name: str, *, make: bool = False) -> int:
    """A descriptor of one of our folders, in a folder that is already open; `make` as in `open_folder`."""
    return _enter(folder, name, make=make)


def open_regular(path: AnyPath, *, buffering: int = -1, alone: bool = False) -> BinaryIO:
    """Open a regular file for reading; anything else raises OSError at once.

    `alone` refuses a file with a second hard link: where an agent should have written a file, it may have linked one
    that it must not read.
    """
    with entry_at(path) as at:
        return open_entry(at, buffering=buffering, alone=alone)


def open_entry(at: FolderEntry, *, buffering: int = -1, alone: bool = False) -> BinaryIO:
    """As `open_regular`, in a folder that is already open."""
    descriptor = os.open(at.name, _flags(at, os.O_RDONLY), dir_fd=at.folder)
    try:
        _check(descriptor, at, alone=alone)
        return open(descriptor, "rb", buffering=buffering)
    except BaseException:
        os.close(descriptor)
        raise


def open_users(path: AnyPath) -> BinaryIO:
    """Open a regular file for which the user may have put a link, for instance a prompt. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", os.fspath(path))
        return open(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def open_writing(
    path: AnyPath, flags: int, mode: int = PRIVATE, *, make: bool = False, alone: bool = True
) -> int:
    """A descriptor for writing to a regular file, with a single name if `alone`; what is in the way is set aside.

    `make` creates missing folders. Never blocks, not even on a pipe that nobody reads. Raises OSError.
    """
    with entry_at(path, make=make) as at:
        for _ in range(_TRIES):
            try:
                return _open_checked(at, flags, mode, alone=alone)
            except PermissionError:
                if not _mended(at):
                    raise
            except OSError as error:
                if not at.ours or error.errno not in _BLOCKED:
                    raise
                set_aside(at)
        raise InTheWay(errno.EBUSY, "something keeps taking its place", os.fspath(path))


def create(at: FolderEntry, mode: int = PRIVATE) -> int:
    """A descriptor of a new file; a file of that name, left by a crash, is removed first. Raises OSError."""
    for _ in range(_TRIES):
        try:
            return os.open(
                at.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=at.folder
            )
        except FileExistsError:
            if at.ours and not _is_file(at):
                set_aside(at)
            else:
                os.unlink(at.name, dir_fd=at.folder)
    raise InTheWay(errno.EBUSY, "something keeps taking its place", at.name)


def put_in_place(at: FolderEntry, temporary: str) -> None:
    """Rename a file in the same folder to `at`; anything but a file there is set aside. Raises OSError."""
    if at.ours and not _is_file(at, or_missing=True):
        set_aside(at)
    os.replace(temporary, at.name, src_dir_fd=at.folder, dst_dir_fd=at.folder)


def leads_to(at: FolderEntry, descriptor: int) -> bool:
    """Whether the name still leads to the open file."""
    try:
        found = os.stat(at.name, dir_fd=at.folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(descriptor))


def is_there(at: FolderEntry) -> bool:
    """Whether there is anything of that name, be it a link that leads nowhere. Raises OSError."""
    try:
        os.stat(at.name, dir_fd=at.folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def remove(path: AnyPath) -> bool:
    """Remove a name that is not a folder's; returns whether there was one. Raises OSError."""
    try:
        with entry_at(path) as at:
            os.unlink(at.name, dir_fd=at.folder)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def remove_tree(path: AnyPath) -> None:
    """Remove a folder and as much of its content as possible; for anything else, only the name. Raises OSError."""
    import shutil

    with entry_at(path) as at:
        try:
            os.unlink(at.name, dir_fd=at.folder)
        except FileNotFoundError:
            return
        except OSError:
            shutil.rmtree(at.name, ignore_errors=True, dir_fd=at.folder)


def status(path: AnyPath) -> os.stat_result | None:
    """What is at `path`, without following links; None when nothing is there, or it cannot be reached."""
    try:
        with entry_at(path) as at:
            return os.stat(at.name, dir_fd=at.folder, follow_symlinks=False)
    except OSError:
        return None


def is_folder(path: AnyPath) -> bool:
    """Whether there is a folder that can be reached without a link below `.pitboss`."""
    found = status(path)
    return found is not None and stat.S_ISDIR(found.st_mode)


def is_plain(path: AnyPath) -> bool:
    """Whether there is a regular file with a single name."""
    found = status(path)
    return found is not None and stat.S_ISREG(found.st_mode) and found.st_nlink == 1


def names_in(path: AnyPath) -> list[str]:
    """The names in a folder; none if there is no readable folder."""
    try:
        folder = open_folder(path)
    except OSError:
        return []
    try:
        return names_at(folder)
    finally:
        os.close(folder)


def names_at(folder: int) -> list[str]:
    """The names in an open folder. Raises OSError."""
    return os.listdir(folder)


def set_aside(at: FolderEntry) -> str | None:
    """Rename what is at `at` to the first free `NAME.set-aside-N`, report it, and return that name.

    None when nothing is there. Raises OSError.
    """
    number = 1
    while is_there(at._replace(name=(aside := f"{at.name}.set-aside-{number}"))):
        number += 1
    try:
        os.rename(at.name, aside, src_dir_fd=at.folder, dst_dir_fd=at.folder)
    except FileNotFoundError:
        return None
    notice(f"{at.name} was replaced by something else, which is kept as {aside}")
    return aside


# Internals


def _next_notice() -> str | None:
    try:
        return _notices.popleft()
    except IndexError:
        return None


def _walk(way: Descent, *, make: bool) -> int:
    """Open the base, then one folder in the other."""
    folder = anchors.open_base(way)
    try:
        for name in way.folders:
            inner = _enter(folder, name, make=make)
            os.close(folder)
            folder = inner
    except BaseException:
        os.close(folder)
        raise
    return folder


def _enter(folder: int, name: str, *, make: bool, ours: bool = True) -> int:
    """Open a folder in a folder. `make` creates it if missing, and sets aside what is in its place."""
    flags = _FOLDER | (os.O_NOFOLLOW if ours else 0)
    for _ in range(_TRIES if make else 1):
        try:
            return os.open(name, flags, dir_fd=folder)
        except OSError as error:
            if not make or not _make_way(FolderEntry(folder, name, ours), error):
                raise
    raise InTheWay(errno.EBUSY, "something keeps taking its place", name)


def _make_way(at: FolderEntry, error: OSError) -> bool:
    """Try to repair a folder that cannot be opened; returns whether to try again."""
    if isinstance(error, PermissionError):
        return _mended(at, PRIVATE_FOLDER)
    blocked = error.errno in _BLOCKED and at.ours
    if not blocked and not isinstance(error, FileNotFoundError):
        return False
    aside = set_aside(at) if blocked else None
    try:
        os.mkdir(at.name, PRIVATE_FOLDER, dir_fd=at.folder)
    except FileExistsError:
        return True
    if aside is not None and at.name == anchors.OURS:  # the user's tree is no place for it
        os.rename(aside, os.path.join(at.name, aside), src_dir_fd=at.folder, dst_dir_fd=at.folder)
    os.fsync(at.folder)
    return True


def _flags(at: FolderEntry, flags: int) -> int:
    return flags | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if at.ours else 0)


def _open_checked(at: FolderEntry, flags: int, mode: int, *, alone: bool) -> int:
    descriptor = os.open(at.name, _flags(at, flags), mode, dir_fd=at.folder)
    try:
        if at.ours:
            _check(descriptor, at, alone=alone)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check(descriptor: int, at: FolderEntry, *, alone: bool) -> None:
    found = os.fstat(descriptor)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), at.name)
    if not stat.S_ISREG(found.st_mode):
        raise InTheWay(errno.EINVAL, "is not a regular file", at.name)
    if alone and found.st_nlink > 1:
        raise InTheWay(errno.EMLINK, "is a file with a second name", at.name)


def _is_file(at: FolderEntry, *, or_missing: bool = False) -> bool:
    """Whether a regular file with a single name is there."""
    try:
        found = os.stat(at.name, dir_fd=at.folder, follow_symlinks=False)
    except FileNotFoundError:
        return or_missing
    return stat.S_ISREG(found.st_mode)


def _mended(at: FolderEntry, mode: int = PRIVATE) -> bool:
    """Restore the mode of something of ours if an agent changed it; returns whether it did. Follows no link."""
    mended = False
    with suppress(OSError):
        mended = at.ours and permit(at.name, lambda _mode, _name: mode, dir_fd=at.folder)
    return mended
