"""The only code that replaces a file or appends to one, so that a crash leaves old or new, never half (SPEC 2, 7).

Replace: the new content goes to `NAME.tmp` in the same directory, is fsynced, renamed over NAME, and the
directory is fsynced. Append: all data goes out in one write and is fsynced. `store.opening` says how files are
opened safely although agents may put anything in their place.

What each fsync buys
- file before rename: without it some file systems order the rename before the data, and a power cut
  leaves NAME empty. With it NAME is whole, old or new. Nothing is ever replaced without it.
- directory after rename or creation: without it a power cut may bring the old file back. With it, what the
  caller does next may rely on the new file.
- file after append: the appended record survives a power cut. It is the commit point of a session.
`durable=False` skips the last two: right where the old file is as good (a checkpoint that the log can bring up
to date) or the appended part can be recreated (sessions.md). The death of a process never loses what it has handed
to the kernel.

What it costs and does not do
- The fixed temporary name means one writer per file; the run's lock ensures that. In exchange a crash leaves
  at most one stray file, which the next write takes over.
- A replaced file gets a new inode: hard links keep the old content, a symbolic link is never written through.
- When the directory's fsync fails, NAME is already the new file: the error says that its durability is
  unknown. After every other failure the old content is in place and the temporary file is gone.
- When an append fails (a full disk), the file is cut back to its old size, so no torn line stays behind.
- A disk that acknowledges a flush it did not do can still lose data; nothing here can help that.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from typing import TYPE_CHECKING

from pitboss.errors import storage_error
from pitboss.store import opening
from pitboss.store.opening import PRIVATE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from pitboss.store.anchors import AnyPath
    from pitboss.store.opening import FolderEntry


_TRIES = 8


def write_atomic(
    path: AnyPath,
    data: bytes | Iterable[bytes],
    *,
    durable: bool = True,
    make: bool = False,
    spare: bool = False,
) -> None:
    """Replace the content of `path` with `data`, given whole or in chunks.

    With `durable` false a power cut may bring the old content back, but intact. With `make`, missing folders of a
    run are created. A `spare` copy is not synced at all: it guards against deletion, not power cuts. Raises
    RunDirectoryGone when the directory does not exist, StorageError on any other failure.
    """
    try:
        with opening.entry_at(path, make=make) as at:
            sync = _unsynced if spare else _sync_file if durable else _sync_content
            _replace(at, [data] if isinstance(data, bytes) else data, sync)
            if durable and not spare:
                os.fsync(at.folder)
    except OSError as error:
        raise storage_error("write", path, error) from error


def write_new(path: AnyPath, data: bytes) -> bool:
    """Create a file with `data`, whole and durably; False if the name is taken. Missing folders of a run are created.

    A second process that creates the same name at that moment gets False too. Raises StorageError.
    """
    try:
        with opening.entry_at(path, make=True) as at:
            return _created(at, data)
    except OSError as error:
        raise storage_error("write", path, error) from error


def append_durable(
    path: AnyPath, data: bytes, *, descriptor: int | None = None, durable: bool = True, mode: int = PRIVATE
) -> None:
    """Append `data` to a file, through a `descriptor` from open_append or a new one.

    `mode` is for a file that does not exist yet. On failure the file is cut back to its old size. Raises
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


def open_append(path: AnyPath, mode: int = PRIVATE, *, make: bool = False) -> int:
    """A descriptor for appending to a file, which is created if missing. Raises as append_durable does."""
    try:
        return opening.open_writing(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, mode, make=make)
    except OSError as error:
        raise storage_error("append to", path, error) from error


def read_regular(path: AnyPath, limit: int, *, private: bool = False) -> bytes | None:
    """The first `limit` bytes of a regular file with a single name; None when there is no readable one.

    With `private`, nobody but its owner can read it from then on. Raises StorageError if that fails.
    """
    try:
        with opening.open_regular(path, buffering=0, alone=True) as file:
            if private:
                _make_private(file.fileno(), path)
            # As much as there is: for a large limit, Python would first make room for all of it.
            return file.read(min(limit, os.fstat(file.fileno()).st_size + 1))
    except OSError:
        return None


def _make_private(descriptor: int, path: AnyPath) -> None:
    try:
        os.fchmod(descriptor, PRIVATE)
    except OSError as error:
        raise storage_error("change the mode of", path, error) from error


def make_directory(path: AnyPath, *inside: str) -> None:
    """Create `path`, its missing parents, and those names inside it, each durably. An existing directory is fine."""
    try:
        directory = opening.open_folder(path, make=True)
        try:
            if [name for name in inside if _is_new(directory, name)]:
                os.fsync(directory)
            for name in inside:
                os.close(opening.open_inner(directory, name, make=True))
        finally:
            os.close(directory)
    except OSError as error:
        raise storage_error("create", path, error) from error


def _is_new(directory: int, name: str) -> bool:
    """Make a folder, if nothing of that name is there; returns whether there was nothing."""
    try:
        os.mkdir(name, opening.PRIVATE_FOLDER, dir_fd=directory)
    except FileExistsError:
        return False
    return True


def sync_directory(path: AnyPath) -> None:
    """Make the names in a directory durable. Raises StorageError, RunDirectoryGone."""
    try:
        descriptor = opening.open_folder(path)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise storage_error("make durable", path, error) from error


def first_free(path: Path, suffix: str) -> Path:
    """The first of `NAME.suffix-1`, `NAME.suffix-2`, ... that does not exist."""
    number = 1
    while opening.status(candidate := path.with_name(f"{path.name}.{suffix}-{number}")) is not None:
        number += 1
    return candidate


def _replace(at: FolderEntry, chunks: Iterable[bytes], sync: Callable[[int], None]) -> None:
    """Retry when another process removes or replaces the temporary file, unless the chunks are used up."""
    for tries_left in reversed(range(_TRIES if isinstance(chunks, list) else 1)):
        try:
            if _replaced(at, chunks, sync):
                return
        except FileNotFoundError:
            if not tries_left or not os.fstat(at.folder).st_nlink:
                raise
    raise opening.InTheWay(errno.EBUSY, "something keeps taking its place", at.name)


def _replaced(at: FolderEntry, chunks: Iterable[bytes], sync: Callable[[int], None]) -> bool:
    """Whether the name now leads to the file that was written."""
    temporary = at._replace(name=f"{at.name}.tmp")
    descriptor = opening.create(temporary)
    try:
        for chunk in chunks:
            write_all(descriptor, chunk)
        sync(descriptor)
        opening.put_in_place(at, temporary.name)
        return opening.leads_to(at, descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary.name, dir_fd=at.folder)
        raise
    finally:
        os.close(descriptor)


def _created(at: FolderEntry, data: bytes) -> bool:
    """Whether this process created the file: the temporary name goes to one process alone."""
    temporary, flags = f".{at.name}.tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        descriptor = os.open(temporary, flags, PRIVATE, dir_fd=at.folder)
    except FileExistsError:
        return False
    try:
        if opening.is_there(at):
            os.unlink(temporary, dir_fd=at.folder)
            return False
        write_all(descriptor, data)
        _sync_file(descriptor)
        os.rename(temporary, at.name, src_dir_fd=at.folder, dst_dir_fd=at.folder)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=at.folder)
        raise
    finally:
        os.close(descriptor)
    os.fsync(at.folder)
    return True


def _append(descriptor: int, data: bytes, *, durable: bool) -> None:
    size = os.fstat(descriptor).st_size
    try:
        write_all(descriptor, data)
        if durable:
            _sync_file(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, in one call if the kernel takes it. Raises OSError."""
    written = os.write(descriptor, data)
    while written < len(data):
        written += os.write(descriptor, memoryview(data)[written:])


def _unsynced(_descriptor: int) -> None:
    pass


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
