"""The log of a live run, kept twice: in the run directory, and where `git clean` cannot reach (SPEC 7).

    append    the run's own log first, durably: the commit point; then the copy, which costs one write and no sync

The expected content of the log is known by its size and digest alone. Whatever an agent does to either file (delete,
truncate, overwrite, replace) is noticed at the next record. The file is then rebuilt from one that still holds
everything: the file itself, which stays open, or the other one.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.errors import StorageError, storage_error
from pitboss.store.files import append_durable, sync_directory, write_atomic
from pitboss.store.log_repair import own
from pitboss.store.opening import PRIVATE, notice, open_writing, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1024 * 1024


class MirroredLog:
    """The log of one run, open for the process that writes it, and its copy, if there is a place for one."""

    def __init__(self, log: Path, copy: Path | None) -> None:
        """Read the log, and bring the copy up to date with it. Raises StorageError."""
        from hashlib import sha256

        self._digest = sha256()
        self._size = 0
        self._log = _File(log)
        self._copy = None if copy is None else _File(copy)
        self._log.open()
        sync_directory(log.parent)
        for chunk in self._log.chunks(None):
            self._count(chunk)
        self._log.seen(self._size)
        self._keep(b"")

    def append(self, line: bytes) -> None:
        """Append a line, durably. Raises StorageError if the line is not in the run's log when this returns."""
        self.mend()
        append_durable(self._log.path, line, descriptor=self._log.descriptor)
        self._count(line)
        if not self._log.leads_here():
            self.mend()
        self._log.seen(self._size)
        self._keep(line)

    def mend(self) -> None:
        """Rebuild the log if it is not what was written. Raises StorageError if neither file holds everything."""
        if self._log.is_as_seen():
            return
        source = next((file for file in self._sources() if self._holds_all(file)), None)
        if source is None:
            raise StorageError(
                f"{self._log.path} was damaged while the run was live, and so was its copy",
                hint="`pitboss repair RUN_ID --force` rewrites the lost records",
            )
        if source is not self._log or self._log.size != self._size or not self._log.leads_here():
            notice(f"{self._log.path.name} was removed or changed by another program; it has been rebuilt")
            self._log.rewrite(source.chunks(self._size), durable=True)
        os.fchmod(self._log.descriptor, PRIVATE)
        self._log.seen(self._size)

    def close(self) -> None:
        """Close both files; calling it again is harmless."""
        for file in self._sources():
            file.close()

    def _sources(self) -> Iterator[_File]:
        yield self._log
        if self._copy is not None:
            yield self._copy

    def _count(self, data: bytes) -> None:
        self._digest.update(data)
        self._size += len(data)

    def _holds_all(self, file: _File) -> bool:
        from hashlib import sha256

        digest, size = sha256(), 0
        for chunk in file.chunks(self._size):
            digest.update(chunk)
            size += len(chunk)
        return size == self._size and digest.digest() == self._digest.digest()

    def _keep(self, line: bytes) -> None:
        """Bring the copy up to date; a failure does no harm while the log is whole."""
        if self._copy is None:
            return
        try:
            if self._copy.is_as_seen():
                append_durable(self._copy.path, line, descriptor=self._copy.descriptor, durable=False)
            else:
                self._copy.open()
                if self._copy.size != self._size or not self._holds_all(self._copy):
                    self._copy.rewrite(self._log.chunks(self._size), durable=False)
            self._copy.seen(self._size)
        except StorageError:
            self._copy.close()


class _File:
    """One file that is appended to: its descriptor, and its status after the last write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = -1
        self._seen: tuple[int, ...] | None = None

    def open(self) -> None:
        """Open or create it; a second hard link, from a backup, stays with the old file. Raises StorageError."""
        self.close()
        own(self.path)
        try:
            self.descriptor = open_writing(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, make=True)
        except OSError as error:
            raise storage_error("append to", self.path, error) from error

    def close(self) -> None:
        if self.descriptor >= 0:
            os.close(self.descriptor)
        self.descriptor = -1
        self._seen = None

    @property
    def size(self) -> int:
        return os.fstat(self.descriptor).st_size

    def chunks(self, size: int | None) -> Iterator[bytes]:
        """Its content, up to `size` bytes; read through the descriptor, so it works even when the name is gone."""
        offset = 0
        while self.descriptor >= 0 and (size is None or offset < size):
            chunk = os.pread(self.descriptor, _CHUNK if size is None else min(_CHUNK, size - offset), offset)
            if not chunk:
                return
            offset += len(chunk)
            yield chunk

    def rewrite(self, chunks: Iterator[bytes], *, durable: bool) -> None:
        """Put a new file in its place. Raises StorageError."""
        write_atomic(self.path, chunks, durable=durable, make=True)
        self.open()

    def seen(self, size: int) -> None:
        """Remember its status after a write."""
        self._seen = None if self.descriptor < 0 else (size, *_identity(self.descriptor)[1:])

    def is_as_seen(self) -> bool:
        """Whether it and its name are untouched since then."""
        return self._seen is not None and _identity(self.descriptor) == self._seen and self.leads_here()

    def leads_here(self) -> bool:
        """Whether its name leads to the open file."""
        found = status(self.path)
        return found is not None and os.path.samestat(found, os.fstat(self.descriptor))


def _identity(descriptor: int) -> tuple[int, ...]:
    found = os.fstat(descriptor)
    return found.st_size, found.st_ctime_ns, found.st_nlink, found.st_mode
