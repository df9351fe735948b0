"""The only code that replaces a file or appends to one, so that a crash finds old or new, never half (SPEC 2, 7).

It also opens, for reading, files that agents may put anything in place of, so that none blocks or floods.

Replace: the new content goes to `NAME.tmp` in the same directory, is fsynced, renamed over NAME, and the
directory is fsynced. Append: the whole data goes out in one write and is fsynced.

What each fsync buys
- file before rename: without it some file systems order the rename before the data, and a power cut
  leaves NAME empty. With it NAME is whole, old or new. Nothing is ever replaced without it.
- directory after rename or creation: without it a power cut may bring the old file back. With it, what the
  caller does next may rely on the new one.
- file after append: the appended record survives a power cut. It is the commit point of a session.
`durable=False` skips the last two: right where the old file is as good (a checkpoint that the log can bring up
to date) or the appended part can be made again (sessions.md). The death of a process never loses what the
kernel has.

What it costs and does not do
- The fixed temporary name means one writer a file; the run's lock sees to that. In exchange a crash leaves
  at most one stray file, which the next write takes over.
- A replaced file gets a new inode: hard links keep the old content, a symbolic link is replaced itself.
- When the directory's fsync fails, NAME is already the new file: the error says that its durability is
  unknown. After every other failure the old content is in place and the temporary file is gone.
- When an append fails (a full disk), the file is cut back to its old size, so no torn line stays behind.
- A disk that acknowledges a flush it did not do can still lose data; nothing here can help that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from typing import TYPE_CHECKING

from pitboss.errors import storage_error

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import BinaryIO

PRIVATE = 0o600
"""What sessions leave is for the owner alone: transcripts and logs may hold what nobody else should read."""

PRIVATE_FOLDER = 0o700


def write_atomic(path: Path, data: bytes | Iterable[bytes], *, durable: bool = True) -> None:
    """Replace the content of `path` by `data`, whole or as an iterable of chunks.

    With `durable` false a power cut may bring the old content back, but whole. Raises RunDirectoryGone when
    the directory does not exist, StorageError on any other failure.
    """
    temporary = f"{path}.tmp"
    try:
        try:
            _write_new(temporary, [data] if isinstance(data, bytes) else data, durable=durable)
            os.replace(temporary, path)  # noqa: PTH105 - an observer's start-up does not pay for pathlib
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            raise
    except OSError as error:
        raise storage_error("write", path, error) from error
    if durable:
        sync_directory(path.parent)


def append_durable(
    path: Path, data: bytes, *, descriptor: int | None = None, durable: bool = True, mode: int = PRIVATE
) -> None:
    """Append `data` to a file, through a `descriptor` that open_append gave or one of its own.

    `mode` is what a file that is not there yet gets. On failure the file is cut back to its old size. Raises
    StorageError, or RunDirectoryGone when the directory does not exist.
    """
    opened = open_append(path, mode) if descriptor is None else descriptor
    try:
        _append(opened, data, durable=durable)
    except OSError as error:
        raise storage_error("append to", path, error) from error
    finally:
        if descriptor is None:
            os.close(opened)


def open_append(path: Path, mode: int = PRIVATE) -> int:
    """A descriptor for appending to a file, which is created when missing. Raises as append_durable does.

    A pipe that nobody reads is a failure, not a reason to wait.
    """
    try:
        return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, mode)
    except OSError as error:
        raise storage_error("append to", path, error) from error


def open_regular(path: Path | str, *, buffering: int = -1) -> BinaryIO:
    """Open a regular file for reading; a pipe that nobody writes to, a device or a directory is an OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "is not a regular file", os.fspath(path))
        return open(descriptor, "rb", buffering=buffering)  # noqa: PTH123
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, limit: int) -> bytes | None:
    """The first `limit` bytes of a regular file; None when there is none, or none that can be read."""
    try:
        with open_regular(path) as file:
            return file.read(limit)
    except OSError:
        return None


def make_directory(path: Path) -> None:
    """Create `path` and its missing parents, each of them durable. An existing directory is fine."""
    try:
        _make_directory(path)
    except OSError as error:
        raise storage_error("create", path, error) from error


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable. Raises StorageError, RunDirectoryGone."""
    try:
        _sync_directory(path)
    except OSError as error:
        raise storage_error("make durable", path, error) from error


def first_free(path: Path, suffix: str) -> Path:
    """The first of `NAME.suffix-1`, `NAME.suffix-2`, ... that does not exist."""
    number = 1
    while os.path.lexists(candidate := path.with_name(f"{path.name}.{suffix}-{number}")):
        number += 1
    return candidate


def _write_new(path: str, chunks: Iterable[bytes], *, durable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, PRIVATE)
    try:
        for chunk in chunks:
            _write_all(descriptor, chunk)
        if durable:
            _sync_file(descriptor)
        else:
            _sync_content(descriptor)
    finally:
        os.close(descriptor)


def _append(descriptor: int, data: bytes, *, durable: bool) -> None:
    size = os.fstat(descriptor).st_size
    try:
        _write_all(descriptor, data)
        if durable:
            _sync_file(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def _write_all(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def _sync_file(descriptor: int) -> None:
    if sys.platform == "darwin":  # pragma: no cover - there fsync alone stops at the drive's cache
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def _sync_content(descriptor: int) -> None:
    if sys.platform == "darwin":  # pragma: no cover - there is no fdatasync there
        os.fsync(descriptor)
    else:
        os.fdatasync(descriptor)


def _make_directory(path: Path) -> None:
    try:
        path.mkdir()
    except FileExistsError:
        if not path.is_dir():
            raise
    except FileNotFoundError:
        _make_directory(path.parent)
        _make_directory(path)
    else:
        _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
