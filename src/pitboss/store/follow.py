"""Reads a run from outside, live or not: a snapshot, or its records and events as they come (SPEC 2, 8, 9).

Observers only read files; nothing here can disturb the run.
"""

from __future__ import annotations

import stat
import time
from collections.abc import Mapping
from functools import reduce
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pitboss.core.budget import BudgetSnapshot
from pitboss.core.condition import Condition, condition
from pitboss.core.run import RunState
from pitboss.core.session import InFlight, SessionRecord
from pitboss.core.sighting import OnRecord, first_missing, sighted
from pitboss.core.timeline import Track
from pitboss.core.view import MOST_RECENT, View, fold
from pitboss.errors import storage_error
from pitboss.store.catalogue import find_run, live_holder, readable_log
from pitboss.store.event_log import decode_event
from pitboss.store.lock import LockInfo
from pitboss.store.log import CHUNK, count_lines, iter_records, last_records, record_in
from pitboss.store.opening import open_regular, status
from pitboss.store.paths import RunPaths
from pitboss.store.tail import LONGEST_LINE, last_bytes

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from pitboss.core.events import RunEvent
    from pitboss.core.scheduler import Standing

_T = TypeVar("_T")

_OLDER_RECORDS = 64
"""How many sessions that began before all those in flight may still be recorded late: at most one per slot."""


LATE_LOOK = 256 * 1024
"""How many bytes at the end of events.jsonl a snapshot searches for what sessions are doing."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A run at one moment. `problem` says why `state` is None, or that the log cannot be read or has lost records.

    `live` is the holder of the lock if that is this run. `records` are the latest in file order, or all of them if it
    comes from a `RunWatch`. `in_flight` are the sessions of `state` without a record (`state` still lists those that
    finished before an earlier one). `view` is what a screen shows of it; `tracks` are what events said of each session,
    by seq, for a `RunWatch` alone.
    """

    run_id: str
    state: RunState | None
    problem: str | None
    live: LockInfo | None
    in_flight: tuple[InFlight, ...]
    records: tuple[SessionRecord, ...]
    view: View
    tracks: Mapping[int, Track] = {}

    @property
    def condition(self) -> Condition:
        """Whether it is live, and if not, how it ended."""
        return condition(self.state, live=self.live is not None)

    @property
    def standings(self) -> tuple[Standing, ...]:
        """Which prompts the rotation prefers next, and by how much; empty if its state cannot be read."""
        from pitboss.core.choosers.rotation import dispatched_scheduler
        from pitboss.core.left_out import left_out
        from pitboss.core.scheduler import Contender, standings

        if self.state is None:
            return ()
        contenders = [
            Contender(name=each.name, weight=each.weight, every=each.every, max_runs=each.max_runs)
            for each in self.view.prompts
        ]
        out = {each.prompt for each in left_out(self.state)}
        return standings(contenders, dispatched_scheduler(self.state), out)

    @property
    def stop_reason(self) -> str | None:
        """Why it stopped, as state.json has it."""
        return None if self.state is None else self.state.stop_reason


def snapshot(repo: Path, run_id: str, *, last: int = 10) -> Snapshot:
    """Look at a run, live or not; a unique prefix of its id will do. Raises RunNotFound, StorageError."""
    run = find_run(repo, run_id)
    listed = run.state.in_flight if run.state else ()
    wanted = max(last, MOST_RECENT, len(listed) + _OLDER_RECORDS if listed else 0)
    log = readable_log(repo, run.run_id)
    records = last_records(log, wanted)
    paths, live = RunPaths(repo, run.run_id), live_holder(repo, run.run_id)
    found = OnRecord(
        run_id=run.run_id,
        state=run.state,
        live=live is not None,
        used=BudgetSnapshot() if run.state is None else run.state.budget_consumed,
        cost_known=run.state is None or run.state.cost_known,
        recent=tuple(reversed(records)),
        recorded=frozenset(record.seq for record in records),
        missing=None if live else _missing(run.state, log, records, whole=len(records) < wanted),
    )
    return Snapshot(
        run_id=run.run_id,
        state=run.state,
        problem=run.problem or found.lost,
        live=live,
        in_flight=found.in_flight,
        records=tuple(records[max(len(records) - last, 0) :]),
        view=sighted(reduce(fold, last_events(paths) if live is not None else (), View()), found),
    )


def _missing(
    state: RunState | None, log: Path, records: Sequence[SessionRecord], *, whole: bool
) -> int | None:
    """The first record that the log of a run at rest has lost. `records` are its last ones, or the `whole` of it.

    A long log is read as a whole only if it has too few lines: that tells of every lost line, but not of garbled ones.
    """
    summed_up = 0 if state is None else state.last_session_seq
    if not whole:
        if summed_up <= max(record.seq for record in records) and count_lines(log) >= summed_up:
            return None
        records = list(iter_records(log))
    return first_missing(summed_up, {record.seq for record in records})


def last_events(paths: RunPaths) -> list[RunEvent]:
    """The latest events of a run, as far back as one look goes; lines that are not events are skipped."""
    try:
        tail, is_cut = last_bytes(paths.events, LATE_LOOK)
    except OSError:
        return []
    lines = tail.split(b"\n")
    found = map(decode_event, lines[is_cut:])
    return [event for event in found if event is not None]


def follow(
    look: Callable[[], Iterator[_T]], *, ended: Callable[[], bool], poll_s: float = 0.2
) -> Iterator[_T]:
    """Poll `look` and yield what it finds, until `ended` is true and everything written before that has been yielded.

    For commands that have nothing else to do; a screen that listens for keys polls on its own schedule.
    """
    while True:
        over = ended()
        yield from look()
        if over:
            return
        time.sleep(poll_s)


class EventFollower:
    """Reads the lines appended to events.jsonl since the last look."""

    def __init__(self, paths: RunPaths, *, from_start: bool = True) -> None:
        self._file = _GrowingFile(paths.events, from_start=from_start, starts_over=True)

    def new_lines(self) -> Iterator[bytes]:
        """Yield the new JSON lines, newline included; `decode_event` reads them. Raises StorageError."""
        for line in self._file.new_lines():
            if line.startswith(b"{"):
                yield line + b"\n"


class LogFollower:
    """Reads what was appended to a log since the last look."""

    def __init__(self, log: Path, *, from_start: bool = True) -> None:
        self._file = _GrowingFile(log, from_start=from_start)

    def new_records(self) -> Iterator[SessionRecord]:
        """Yield the new records; lines that are not records are skipped. Raises StorageError."""
        for line in self._file.new_lines():
            if record := record_in(line):
                yield record


class _GrowingFile:
    """A file that another process appends lines to, and how much of it has been read.

    `starts_over`: a file that takes its place holds other lines, rather than a repaired copy of the same.
    """

    def __init__(self, path: Path, *, from_start: bool = True, starts_over: bool = False) -> None:
        self._path = path
        self._starts_over = starts_over
        found = status(path)
        self._file = _identity(found)
        self._offset = 0 if from_start or found is None else found.st_size

    def new_lines(self) -> Iterator[bytes]:
        """Yield the lines since the last look, without newlines; an unfinished last line is left for later.

        A file that does not exist yet has no lines. A line over LONGEST_LINE is passed over. Raises StorageError.
        """
        if not self._has_more():
            return
        try:
            with open_regular(self._path) as file:
                file.seek(self._offset)
                yield from self._lines_of(file)
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error("read", self._path, error) from error

    def _lines_of(self, file: BinaryIO) -> Iterator[bytes]:
        rest, skipped = b"", 0
        while chunk := file.read(CHUNK):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            for line in lines:
                self._offset += skipped + len(line) + 1
                if not skipped:
                    yield line
                skipped = 0
            if skipped or len(rest) > LONGEST_LINE:
                skipped, rest = skipped + len(rest), b""

    def _has_more(self) -> bool:
        """Whether there is anything to read; a file that was cut is followed from its new end."""
        found = status(self._path)
        if found is None:
            self._offset = self._offset if self._starts_over else 0
            return True
        if self._starts_over and _identity(found) != self._file:
            self._offset = 0
        self._file = _identity(found)
        is_file = stat.S_ISREG(found.st_mode)
        self._offset = min(self._offset, found.st_size) if is_file else self._offset
        return not is_file or found.st_size > self._offset


def _identity(found: os.stat_result | None) -> tuple[int, int] | None:
    return None if found is None else (found.st_dev, found.st_ino)
