"""The folder through which a session in a sandbox and its run exchange files (SPEC 13).

    give      before a process of the session starts: the folder, with the run's notes and the summary so far
    watched   while it runs: its request to be skipped goes where the run looks for it
    take      after it has ended: its summary and notes go where the run keeps them, and the folder goes

The run directory is hidden from the session. What it left is opened without following links.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.announced_stop import announced_like
from pitboss.errors import storage_error
from pitboss.store.files import open_append, read_regular, write_atomic
from pitboss.store.opening import PRIVATE_FOLDER, entry_at, open_inner, remove, remove_tree, status

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.stops import StopRequest

LOOK_S = 0.5
"""Seconds between two looks for the session's own request, if nothing prompts an earlier one."""

MOST_BYTES = 16 * 1024 * 1024
"""Bytes of notes or a summary; anything larger is not a note by an agent, so it is left alone."""


class SessionFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files that a session knows of: its summary, the run's notes, and one whose creation skips the session."""

    summary: Path
    notes: Path
    skip: Path

    @classmethod
    def in_folder(cls, folder: Path) -> SessionFiles:
        """The same in a folder of exchanged files."""
        return cls(summary=folder / "summary.md", notes=folder / "scratchpad.md", skip=folder / "skip")


class Exchange:
    """The session's files, in its folder, and the run's own."""

    def __init__(self, lent: SessionFiles, own: SessionFiles) -> None:
        self._lent = lent
        self._own = own

    @property
    def folder(self) -> Path:
        """Where the session's files are."""
        return self._lent.summary.parent

    def give(self) -> None:
        """Make the folder, and copy into it whatever the run has and the folder lacks. Raises StorageError."""
        _make(self.folder)
        for lent, own in self._texts:
            if status(lent) is None and (given := read_regular(own, MOST_BYTES)) is not None:
                write_atomic(lent, given, spare=True)

    def take(self) -> None:
        """Copy home what has changed, and remove the folder. May be repeated. Raises StorageError."""
        self._take_skip()
        for lent, own in self._texts:
            content = read_regular(lent, MOST_BYTES)
            if content is None or len(content) == MOST_BYTES:
                continue
            if content != read_regular(own, MOST_BYTES):
                write_atomic(own, content, spare=True)  # outside a sandbox agents write it themselves
        with suppress(OSError):
            remove_tree(self.folder)

    def watched(self, stop: Callable[[], StopRequest | None]) -> Callable[[], StopRequest | None]:
        """`stop`, which first passes on the session's own request to be skipped."""

        def look() -> StopRequest | None:
            self._take_skip()
            return stop()

        return announced_like(stop, look, lambda: LOOK_S)

    @property
    def _texts(self) -> tuple[tuple[Path, Path], ...]:
        return (self._lent.summary, self._own.summary), (self._lent.notes, self._own.notes)

    def _take_skip(self) -> None:
        with suppress(OSError):
            if status(self._lent.skip) is not None and remove(self._lent.skip):
                _touch(self._own.skip)


def _make(folder: Path) -> None:
    """Make a folder that need not survive a power cut. Raises StorageError."""
    try:
        with entry_at(folder, make=True) as at:
            with suppress(FileExistsError):
                os.mkdir(at.name, PRIVATE_FOLDER, dir_fd=at.folder)
            os.close(open_inner(at.folder, at.name))
    except OSError as error:
        raise storage_error("create", folder, error) from error


def _touch(path: Path) -> None:
    os.close(open_append(path, make=True))
