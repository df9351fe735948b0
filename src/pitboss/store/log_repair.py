"""Repairs a damaged sessions.jsonl; whatever is taken out is kept beside it (SPEC 7)."""

from __future__ import annotations

import os
import stat
from itertools import zip_longest
from typing import TYPE_CHECKING

from pitboss.errors import storage_error
from pitboss.store.files import first_free, sync_directory, write_atomic
from pitboss.store.log import CHUNK, LogScanner, read_lines
from pitboss.store.opening import entry_at, names_in, open_regular, open_writing, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

    from pitboss.store.paths import RunPaths


def set_aside(path: Path) -> Path:
    """Keep a damaged file as `NAME.damaged-N`, durably, and return that name. Raises StorageError.

    It is copied rather than renamed, so that a crash before its replacement is written leaves it in place. Anything
    but a regular file would be in the replacement's way, and is renamed.
    """
    aside = first_free(path, "damaged")
    try:
        try:
            with open_regular(path) as file:
                write_atomic(aside, _chunks(file, 0))
        except OSError:
            with entry_at(path) as at:
                os.rename(at.name, aside.name, src_dir_fd=at.folder, dst_dir_fd=at.folder)
    except OSError as error:
        raise storage_error("set aside", path, error) from error
    sync_directory(path.parent)
    return aside


def set_aside_lines(paths: RunPaths, *, after_seq: int = 0) -> Path:
    """Drop from the log every line that scan_log with the same `after_seq` calls torn or damaged.

    The original is kept whole in `sessions.jsonl.damaged-N`, which is returned. If several records share a seq, the
    first one stays.
    """
    aside = first_free(paths.log, "damaged")
    try:
        with open_regular(paths.log) as log:
            write_atomic(aside, _chunks(log, 0))
            log.seek(0)
            write_atomic(paths.log, _sound_lines(log, LogScanner(paths.run_id, after_seq=after_seq)))
    except OSError as error:
        raise storage_error("set aside lines of", paths.log, error) from error
    return aside


def cut_torn_tail(paths: RunPaths, torn_at: int) -> Path:
    """Move the bytes from offset `torn_at` on to `sessions.jsonl.torn-N`, then cut the log there; both durably.

    Returns the file that holds them. When repeated after a crash, it uses the copy already made.
    """
    try:
        own(paths.log)
        with os.fdopen(open_writing(paths.log, os.O_RDWR), "r+b") as log:
            if torn_at > log.seek(0, os.SEEK_END):
                raise ValueError("a torn tail starts inside the log")
            copy = _copied_before(log, torn_at, paths.log)
            if copy is None:
                copy = first_free(paths.log, "torn")
                write_atomic(copy, _chunks(log, torn_at))
            log.truncate(torn_at)
            os.fsync(log.fileno())
    except OSError as error:
        raise storage_error("cut the torn tail of", paths.log, error) from error
    return copy


def own(path: Path) -> None:
    """Give a log with a second hard link, as some backup tools make, an inode of its own. Raises StorageError."""
    found = status(path)
    if found is not None and found.st_nlink > 1 and stat.S_ISREG(found.st_mode):
        with open_regular(path) as log:
            write_atomic(path, _chunks(log, 0))


def _sound_lines(file: BinaryIO, scanner: LogScanner) -> Iterator[bytes]:
    for line in read_lines(file):
        if line.data is not None and scanner.accepts(line):
            yield line.data + b"\n"


def _chunks(file: BinaryIO, offset: int) -> Iterator[bytes]:
    file.seek(offset)
    return iter(lambda: file.read(CHUNK), b"")


def _copied_before(log: BinaryIO, torn_at: int, path: Path) -> Path | None:
    for name in sorted(names_in(path.parent)):
        if not name.startswith(f"{path.name}.torn-"):
            continue
        copy = path.with_name(name)
        with open_regular(copy) as file:
            if all(a == b for a, b in zip_longest(_chunks(file, 0), _chunks(log, torn_at))):
                return copy
    return None
