"""Writes one run's directory, durably: creates it whole, checkpoints the state, appends records (SPEC 2, 7; the seed).

state.json makes a run exist, so it is written before whatever can be recreated, and after the run's task. A record
counts from the moment `record` returns: what state.json and sessions.md say about it can be rebuilt from the log.
"""

from __future__ import annotations

import os
from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, TypeVar

from pitboss.errors import RunDirectoryGone, StorageError, storage_error
from pitboss.store.codec import Malformed
from pitboss.store.files import append_durable, make_directory, read_regular, sync_directory, write_atomic
from pitboss.store.opening import PRIVATE_FOLDER, entry_at, is_folder, notice, remove_tree, status
from pitboss.store.paths import RunPaths
from pitboss.store.record_codec import encode_record
from pitboss.store.state_codec import encode_state
from pitboss.store.user_text import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord
    from pitboss.store.backup import Backup
    from pitboss.store.mirrored_log import MirroredLog
    from pitboss.store.state_codec import Seen

_T = TypeVar("_T")

_TRIES = 5
"""A single `rm -rf` may get in the way more than once, as it removes folder after folder."""


class RunDir:
    """The directory of a run, open for the one process that holds the lock. Close it, or use `with`."""

    def __init__(self, paths: RunPaths, backup: Backup | None = None, task: bytes | None = None) -> None:
        self.paths = paths
        self._backup = backup
        self._task = task
        self._log: MirroredLog | None = None
        self._root: tuple[int, int] | None = None
        self._state = b""
        self._seen: Seen = {}
        self._kept: object = None
        self._lock = RLock()

    @classmethod
    def create(
        cls, repo: Path, state: RunState, backup: Backup | None = None, task: bytes | None = None
    ) -> RunDir:
        """Create the directory of a new run, durably, with its `task` if it has one; a failure leaves none behind.

        Raises StorageError, also if the run already exists.
        """
        paths = RunPaths(repo, state.run_id)
        _make_run(paths, state, task)
        try:
            rundir = cls(paths, backup, task)
            rundir._state = _encoded(encode_state, state, paths.state)
            rundir._ensure()
            rundir._keep(state)
            rundir._keep_task()
            rundir._opened()
        except BaseException:
            with suppress(OSError):
                remove_tree(paths.root)
            raise
        return rundir

    @classmethod
    def open(cls, repo: Path, run_id: str, backup: Backup | None = None) -> RunDir:
        """Open the directory of a run; missing subdirectories are recreated.

        Raises RunDirectoryGone when there is none, StorageError.
        """
        paths = RunPaths(repo, run_id)
        if not is_folder(paths.root):
            raise RunDirectoryGone(
                f"there is no run directory {paths.root}", hint="`pitboss runs` lists all runs"
            )
        _make_subdirectories(paths)
        return cls(paths, backup, read_regular(paths.task, MAX_BYTES))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the log; calling it again is harmless."""
        if self._log is not None:
            self._log.close()
            self._log = None

    def make_subdirectories(self) -> None:
        """Recreate deleted subdirectories. Raises StorageError."""
        self._do_there(lambda: _make_subdirectories(self.paths))

    def checkpoint(self, state: RunState, *, durable: bool = True) -> None:
        """Replace state.json. Raises StorageError."""
        self._state = _encoded(lambda it: encode_state(it, self._seen), state, self.paths.state)
        self._do_there(lambda: write_atomic(self.paths.state, self._state, durable=durable))
        self._keep(state)
        self._opened()

    def record(self, record: SessionRecord) -> None:
        """Append a session's record, durably: the commit point. Raises StorageError."""
        line = _encoded(encode_record, record, self.paths.log)
        with self._lock:
            self._do_there(lambda: None)
            self._opened().append(line)

    def _do_there(self, work: Callable[[], object]) -> None:
        """Do something in the run directory; repeat it if the directory is removed at the same time."""
        tries = 0
        while True:
            try:
                self._ensure()
                work()
            except RunDirectoryGone:
                tries += 1
                if tries == _TRIES:
                    raise
            else:
                return

    def _keep(self, state: RunState) -> None:
        """Back up the state when a session has started or the run has ended: the copy of the log says the rest."""
        says = (state.status, state.latest_seq)
        if self._backup is not None and says != self._kept:
            self._backup.keep_state(state.run_id, self._state)
            self._kept = says

    def _keep_task(self) -> None:
        if self._backup is not None and self._task is not None:
            self._backup.keep_task(self.paths.run_id, self._task)

    def _ensure(self) -> None:
        """Make sure that the run directory exists: recreate it if an agent removed it."""
        with self._lock:
            found = status(self.paths.root)
            if found is None or (found.st_dev, found.st_ino) != self._root:
                self._restore()

    def _opened(self) -> MirroredLog:
        """The run's log, opened after its state was first written."""
        with self._lock:
            if self._log is None:
                from pitboss.store.mirrored_log import MirroredLog

                copy = None if self._backup is None else self._backup.log(self.paths.run_id)
                self._log = MirroredLog(self.paths.log, copy)
            return self._log

    def _restore(self) -> None:
        """On the first call, adopt the existing directory; after that, recreate it."""
        known = self._root is not None
        if known:
            _make_subdirectories(self.paths)
            _ignore(self.paths.root.parent)
        found = status(self.paths.root)
        if found is None:
            raise RunDirectoryGone(
                f"there is no run directory {self.paths.root}", hint="`pitboss runs` lists all runs"
            )
        if known and self._log is not None:
            from pitboss.store.sessions_md import rewrite

            self._log.mend()
            if self._task is not None:
                write_atomic(self.paths.task, self._task)
            write_atomic(self.paths.state, self._state)
            rewrite(self.paths)
            append_durable(self.paths.scratchpad, b"", durable=False)
            notice(
                f"the directory of run {self.paths.run_id} was removed; it has been recreated, without its transcripts"
            )
            for text in () if self._backup is None else self._backup.put_back():
                notice(text)
        self._root = (found.st_dev, found.st_ino)


def _make_run(paths: RunPaths, state: RunState, task: bytes | None) -> None:
    """Create the directory of a new run, durably; a failure leaves none behind. Raises StorageError."""
    runs = paths.root.parent
    make_directory(runs)
    _ignore(runs)
    _make_root(paths)
    try:
        _fill(paths, state, task)
        sync_directory(runs)
    except BaseException:
        with suppress(OSError):
            remove_tree(paths.root)
        raise


def _make_subdirectories(paths: RunPaths) -> None:
    """Create missing subdirectories; whatever is in their place is set aside. Raises StorageError."""
    inside = (directory.name for directory in (paths.transcripts, paths.worktrees, paths.control))
    make_directory(paths.root, *inside)


def _ignore(runs: Path) -> None:
    """Make git ignore the runs even where `.pitboss` is not ignored. Raises StorageError."""
    if status(runs / ".gitignore") is None:
        write_atomic(runs / ".gitignore", b"*\n", durable=False)


def _encoded(encode: Callable[[_T], bytes], value: _T, path: Path) -> bytes:
    """The bytes of a value for `path`. Raises StorageError if they could not be read back."""
    try:
        return encode(value)
    except Malformed as error:
        raise StorageError(
            f"cannot write {path}: it could not be read back: {error}",
            hint="the file is as it was before; `pitboss repair` shows what the run needs",
        ) from error


def _make_root(paths: RunPaths) -> None:
    try:
        with entry_at(paths.root) as at:
            os.mkdir(at.name, PRIVATE_FOLDER, dir_fd=at.folder)
    except OSError as error:
        raise storage_error("create", paths.root, error) from error


def _fill(paths: RunPaths, state: RunState, task: bytes | None) -> None:
    from pitboss.core.text.sessions import HEADER

    _make_subdirectories(paths)
    if task is not None:
        write_atomic(paths.task, task)
    # state.json makes the run exist. The task, which nobody could recreate, is there before it; the rest is recreated.
    write_atomic(paths.state, _encoded(encode_state, state, paths.state))
    for path, content in ((paths.log, ""), (paths.markdown, HEADER), (paths.scratchpad, "")):
        append_durable(path, content.encode(), durable=False)
