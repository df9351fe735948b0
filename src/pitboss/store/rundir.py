"""One run's directory: made whole, recorded into durably, listed and resolved by name (SPEC 2, 7; the seed).

The presence of state.json says that a run exists, so it is written first: what else is missing is made
again. A record counts from the moment that `record` returns; what the state and sessions.md say of it can
be made again from the log.
"""

from __future__ import annotations

import os
from contextlib import suppress
from itertools import chain
from threading import RLock
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from pitboss.core.recovery.refusals import NoResumableRun, RunNotFound, StateUnreadable
from pitboss.core.run import RunState
from pitboss.errors import ResumeError, RunDirectoryGone
from pitboss.store.backup import Backup
from pitboss.store.codec import Malformed, decode_last_updated, decode_state, encode_record, encode_state
from pitboss.store.files import append_durable, write_atomic
from pitboss.store.ledger import Ledger
from pitboss.store.log import iter_records
from pitboss.store.opening import (
    is_folder,
    is_plain,
    notice,
    open_folder,
    open_regular,
    remove_tree,
    status,
)
from pitboss.store.paths import LOG_FILENAME, STATE_FILENAME, RunPaths, runs_dir
from pitboss.store.run_folder import encoded, ignore, make_run, make_subdirectories, utf8
from pitboss.store.tail import last_bytes, last_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from pitboss.core.session import SessionRecord

SCRATCHPAD_LIMIT = 16 * 1024
_UTF8_CONTINUATIONS = bytes(range(0x80, 0xC0))


class Scratchpad(NamedTuple):
    """The scratchpad's end as text, and whether something before it was left out."""

    text: str
    truncated: bool


class RunListing(msgspec.Struct, frozen=True, kw_only=True):
    """A run found on disk. `state` is None when it cannot be read; `problem` then says why."""

    run_id: str
    state_path: str
    state: RunState | None = None
    problem: str | None = None


class AmbiguousRun(ResumeError):
    """More than one run starts with what was asked for."""

    def __init__(self, prefix: str, candidates: Sequence[str]) -> None:
        super().__init__(
            f'grind run "{prefix}" is ambiguous: {", ".join(candidates)}', hint="give more of the run's id"
        )


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

    def read_state(self) -> RunState:
        """Read state.json. Raises StateUnreadable when it is missing or damaged."""
        listing = _listing(self.paths.run_id, str(self.paths.root))
        if listing.state is None:
            raise StateUnreadable(listing.run_id, str(listing.problem))
        return listing.state

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


def list_runs(repo: Path) -> list[RunListing]:
    """Every run, last updated first; unreadable ones too, by when their directory changed (SPEC 8)."""
    found = ((_listing(run_id, path), path) for run_id, path in _run_directories(runs_dir(repo)))
    runs = [run for run, path in found if run.state is not None or _is_run(path)]
    runs += [_lost(repo, run_id) for run_id in Backup(repo).lost()]
    return sorted(runs, key=_last_updated, reverse=True)


def latest_run(repo: Path) -> str | None:
    """The run that changed last, readable or not: the first of `list_runs` in a fraction of its time."""
    runs = (run for run in _run_directories(runs_dir(repo)) if _is_run(run[1]))
    lost = (_last_updated(_lost(repo, run_id)) for run_id in Backup(repo).lost())
    newest = max((*((_skimmed(path), run_id) for run_id, path in runs), *lost), default=None)
    return newest and newest[1]


def most_recent_resumable(repo: Path) -> RunListing | None:
    """The run that `--resume` alone goes on with: the last updated one that is active or aborted."""
    return next(
        (run for run in list_runs(repo) if run.state is not None and run.state.status.is_resumable), None
    )


def _failed_last(repo: Path) -> str | None:
    """The last run, if it has failed: an error of this program, or a budget stop of the Rust one."""
    last = next((run for run in list_runs(repo) if run.state is not None), None)
    return last.run_id if last and last.state and last.state.status == "failed" else None


def find_run(repo: Path, requested: str) -> RunListing:
    """The run named by an id or a unique prefix of one, readable or not. Raises RunNotFound, AmbiguousRun."""
    names = dict(_run_directories(runs_dir(repo)))
    matches = (
        [requested]
        if requested in names
        else sorted(n for n in names if requested and n.startswith(requested))
    )
    gone = [] if matches else Backup(repo).find(requested)
    if len(matches) > 1 or len(gone) > 1:
        raise AmbiguousRun(requested, matches or gone)
    if gone:
        return _lost(repo, gone[0])
    if not matches:
        raise RunNotFound(requested, f"{runs_dir(repo)}{os.sep}{requested}")
    return _listing(matches[0], names[matches[0]])


def resolve_target(repo: Path, requested: str | None) -> RunListing:
    """The run to resume: the one asked for, or the most recent resumable one (the seed).

    Raises RunNotFound, AmbiguousRun, StateUnreadable, NoResumableRun.
    """
    if requested is None:
        run = most_recent_resumable(repo)
        if run is None:
            raise NoResumableRun(str(runs_dir(repo)), _failed_last(repo))
        return run
    run = find_run(repo, requested)
    if run.problem is not None:
        raise StateUnreadable(run.run_id, run.problem)
    return run


def _lost(repo: Path, run_id: str) -> RunListing:
    """A run whose directory is gone, by what was copied of it."""
    return RunListing(
        run_id=run_id,
        state_path=str(RunPaths(repo, run_id).state),
        state=Backup(repo).state(run_id),
        problem=f"its directory is gone; `pitboss repair {run_id}` brings it back from {Backup(repo).place}",
    )


def readable_log(repo: Path, run_id: str) -> Path:
    """Where the records of a run can be read: its log, or the copy when its directory is gone."""
    paths = RunPaths(repo, run_id)
    copy = None if is_folder(paths.root) else Backup(repo).log(run_id)
    return copy or paths.log


def _from_line_start(data: bytes) -> str:
    """Text from the first line that begins in `data`; from the first whole character if none does."""
    _, _, rest = data.partition(b"\n")
    return (rest or data.lstrip(_UTF8_CONTINUATIONS)).decode(errors="replace")


def _run_directories(runs: Path) -> Iterator[tuple[str, str]]:
    try:
        folder = open_folder(runs)
    except OSError:
        return
    try:
        with os.scandir(folder) as entries:
            found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    finally:
        os.close(folder)
    yield from ((name, f"{runs}{os.sep}{name}") for name in found)


def _is_run(directory: str) -> bool:
    return any(status(f"{directory}{os.sep}{name}") is not None for name in (STATE_FILENAME, LOG_FILENAME))


def _listing(run_id: str, directory: str) -> RunListing:
    path = f"{directory}{os.sep}{STATE_FILENAME}"
    try:
        with open_regular(path, buffering=0) as file:
            return RunListing(run_id=run_id, state_path=path, state=decode_state(file.read()))
    except OSError as error:
        return RunListing(run_id=run_id, state_path=path, problem=f"reading {path}: {error.strerror}")
    except Malformed as error:
        return RunListing(run_id=run_id, state_path=path, problem=f"parsing {path}: {error}")


def _last_updated(run: RunListing) -> tuple[float, str]:
    if run.state is not None:
        return run.state.last_updated_at.timestamp(), run.run_id
    return _changed(run.state_path.removesuffix(f"{os.sep}{STATE_FILENAME}")), run.run_id


def _skimmed(directory: str) -> float:
    try:
        with open_regular(f"{directory}{os.sep}{STATE_FILENAME}", buffering=0) as file:
            return decode_last_updated(file.read()).timestamp()
    except (OSError, Malformed):
        return _changed(directory)


def _changed(directory: str) -> float:
    found = status(directory)
    return 0.0 if found is None else found.st_mtime
