"""runner.log: what a detached run says on stderr, in bounded space and never through a link (SPEC 10)."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.errors import storage_error
from pitboss.store.files import write_all
from pitboss.store.opening import open_writing, status

if TYPE_CHECKING:
    from pitboss.store.paths import RunPaths

LARGEST = 4 * 1024 * 1024
"""A file that has more bytes than this loses its older half."""

_DROPPED = b"[earlier lines were dropped]\n"


class RunnerLog:
    """The file behind a process's stderr; whoever writes there needs to know nothing of it."""

    def __init__(self, paths: RunPaths, *, largest: int = LARGEST) -> None:
        self._path = paths.runner_log
        self._largest = largest
        self._stderr = -1
        self._inode: tuple[int, int] | None = None

    def take_over(self, stderr: int) -> None:
        """From now on what is written to the descriptor `stderr` goes to the file. Raises StorageError."""
        self._stderr = stderr
        try:
            self._open()
        except OSError as error:
            raise storage_error("append to", self._path, error) from error

    def keep_small(self) -> None:
        """Drop the older half of a file that has grown too large; make one again that was deleted or replaced.

        Call it now and then after `take_over`. A failure does no harm.
        """
        with suppress(OSError):
            there = status(self._path)
            if there is None or (there.st_dev, there.st_ino) != self._inode:
                self._open()
            elif there.st_size > self._largest:
                self._drop_half(there.st_size)

    def _open(self) -> None:
        opened = open_writing(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT)
        try:
            found = os.fstat(opened)
            os.dup2(opened, self._stderr)
        finally:
            os.close(opened)
        self._inode = found.st_dev, found.st_ino

    def _drop_half(self, size: int) -> None:
        """In place, because other processes of the run hold the same file open."""
        half = self._largest // 2
        _, _, kept = os.pread(self._stderr, half, size - half).partition(b"\n")
        os.ftruncate(self._stderr, 0)
        write_all(self._stderr, _DROPPED + kept)
