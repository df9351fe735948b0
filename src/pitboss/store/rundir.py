"""One run's directory: made whole, recorded into durably, listed and resolved by name (SPEC 2, 7; the seed).

The presence of state.json says that a run exists, so it is written first: what else is missing is made
again. A record counts from the moment that `record` returns; what the state and sessions.md say of it can
be made again from the log.
"""

from __future__ import annotations

from contextlib import suppress
from itertools import chain
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

from pitboss.errors import RunDirectoryGone
from pitboss.store.codec import encode_record, encode_state
from pitboss.store.files import append_durable, write_atomic
from pitboss.store.ledger import Ledger
from pitboss.store.log import iter_records
from pitboss.store.opening import (
    is_folder,
    is_plain,
    notice,
    remove_tree,
    status,
)
from pitboss.store.paths import RunPaths
from pitboss.store.run_folder import encoded, ignore, make_run, make_subdirectories, utf8
from pitboss.store.tail import last_bytes, last_lines

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from pitboss.core.run import RunState
    from pitboss.core.session import SessionRecord
    from pitboss.store.backup import Backup

SCRATCHPAD_LIMIT = 16 * 1024
_UTF8_CONTINUATIONS = bytes(range(0x80, 0xC0))


class Scratchpad(NamedTuple):
    """The scratchpad's end as text, and whether something before it was left out."""

    text: str
    truncated: bool


class RunDir:
    """The directory of a run, open for the one process that holds the lock. Close it, or use it in `with`."""

    def __init__(self, paths: RunPaths, backup: Backup | None = None) -> None:
        self.paths = paths
        self._backup = backup
        self._ledger: Ledger | None = None
        self._root: tuple[int, int] | None = None
        self._state = b""
        self._kept: object = None
        self._lock = RLock()

    @classmethod
    def create(cls, repo: Path, state: RunState, backup: Backup | None = None) -> RunDir:
        """Make the directory of a new run, durably; a failure leaves none behind.

        Raises StorageError, also when the run exists.
        """
        paths = RunPaths(repo, state.run_id)
        make_run(paths, state)
        try:
            rundir = cls(paths, backup)
            rundir._state = encoded(encode_state, state, paths.state)
            rundir._ensure()
            rundir._keep(state)
            rundir._opened()
        except BaseException:
            with suppress(OSError):
                remove_tree(paths.root)
            raise
        return rundir

    @classmethod
    def open(cls, repo: Path, run_id: str, backup: Backup | None = None) -> RunDir:
        """Open the directory of a run; missing subdirectories are made again.

        Raises RunDirectoryGone when there is none, StorageError.
        """
        paths = RunPaths(repo, run_id)
        if not is_folder(paths.root):
            raise RunDirectoryGone(
                f"there is no run directory {paths.root}", hint="`pitboss runs` lists the runs there are"
            )
        make_subdirectories(paths)
        return cls(paths, backup)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the log; again is harmless."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def make_subdirectories(self) -> None:
        """Make those that somebody deleted again. Raises StorageError."""
        self._ensure()
        make_subdirectories(self.paths)

    def checkpoint(self, state: RunState, *, durable: bool = True) -> None:
        """Replace state.json. Raises StorageError."""
        self._state = encoded(encode_state, state, self.paths.state)
        self._ensure()
        write_atomic(self.paths.state, self._state, durable=durable)
        self._keep(state)
        self._opened()

    def record(self, record: SessionRecord) -> None:
        """Append a session's record, durably: the commit point. Raises StorageError."""
        line = encoded(encode_record, record, self.paths.log)
        with self._lock:
            self._ensure()
            self._opened().append(line)

    def project(self, record: SessionRecord) -> None:
        """Append a record's entry to sessions.md, or make that again from the log if it is gone."""
        from pitboss.core.text.sessions import sessions_md_entry

        if is_plain(self.paths.markdown):
            append_durable(self.paths.markdown, utf8(sessions_md_entry(record)), durable=False)
        else:
            self.project_all(iter_records(self.paths.log))

    def project_all(self, records: Iterable[SessionRecord]) -> None:
        """Write sessions.md anew from all records: only repair does."""
        from pitboss.core.text.sessions import HEADER, sessions_md_entry

        write_atomic(self.paths.markdown, map(utf8, chain([HEADER], map(sessions_md_entry, records))))

    def session_log_tail(self, lines: int = 50) -> str:
        """The last lines of sessions.md; empty when it has no session yet. Reads the end alone."""
        from pitboss.core.text.sessions import HEADER

        try:
            tail = b"\n".join(last_lines(self.paths.markdown, lines)).decode(errors="replace")
        except OSError:
            return ""
        return "" if tail.strip() == HEADER.strip() else tail

    def scratchpad_text(self, limit: int = SCRATCHPAD_LIMIT) -> Scratchpad:
        """The last `limit` bytes of the scratchpad, from the start of a line; empty when it cannot be read."""
        try:
            data, truncated = last_bytes(self.paths.scratchpad, limit, alone=True)
        except OSError:
            return Scratchpad("", truncated=False)
        return Scratchpad(_from_line_start(data) if truncated else data.decode(errors="replace"), truncated)

    def _keep(self, state: RunState) -> None:
        """Copy a state that says something new of what is in flight: one more write a session."""
        says = (state.status, [session.seq for session in state.in_flight])
        if self._backup is not None and says != self._kept:
            self._backup.keep_state(state.run_id, self._state)
            self._kept = says

    def _ensure(self) -> None:
        """See to it that there is a run directory: one that an agent removed is made again."""
        with self._lock:
            found = status(self.paths.root)
            if found is None or (found.st_dev, found.st_ino) != self._root:
                self._restore()

    def _opened(self) -> Ledger:
        """The run's log, open since its state could be written first."""
        with self._lock:
            if self._ledger is None:
                copy = None if self._backup is None else self._backup.log(self.paths.run_id)
                self._ledger = Ledger(self.paths.log, copy)
            return self._ledger

    def _restore(self) -> None:
        """Take over the directory that is there when this begins; after that, make it again."""
        known = self._root is not None
        if known:
            make_subdirectories(self.paths)
            ignore(self.paths.root.parent)
        found = status(self.paths.root)
        if found is None:
            raise RunDirectoryGone(
                f"there is no run directory {self.paths.root}", hint="`pitboss runs` lists all runs"
            )
        self._root = (found.st_dev, found.st_ino)
        if known and self._ledger is not None:
            self._ledger.mend()
            write_atomic(self.paths.state, self._state)
            self.project_all(iter_records(self.paths.log))
            append_durable(self.paths.scratchpad, b"", durable=False)
            notice(
                f"the directory of run {self.paths.run_id} was removed; it was made again, without its transcripts"
            )
            for text in () if self._backup is None else self._backup.put_back():
                notice(text)


def _from_line_start(data: bytes) -> str:
    """Text from the first line that begins in `data`; from the first whole character if none does."""
    _, _, rest = data.partition(b"\n")
    return (rest or data.lstrip(_UTF8_CONTINUATIONS)).decode(errors="replace")
