"""What is asked about a run to say what needs a person, read from its files (SPEC 10)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.core.needs import Situation, failed_tests, may_need
from pitboss.errors import storage_error
from pitboss.store.catalogue import readable_log
from pitboss.store.log import read_lines, readable_record
from pitboss.store.opening import open_regular, status
from pitboss.store.paths import RunPaths
from pitboss.store.taking import taken_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pitboss.core.condition import Condition
    from pitboss.core.needs import InGit
    from pitboss.core.session import SessionRecord
    from pitboss.store.follow import Snapshot

_ROOM = 1 << 20
"""Bytes; with fewer, hardly any write of a run succeeds."""

_MARKS = (
    b'"rescue"',
    b'"retry_of"',
    b'"queued"',
    b'"aborted"',
    b'"skipped"',
    b'"verify_failed',
    b'"interrupted: worker ',
)
"""One of these is in the line of every record that `may_need` is true of."""


def situation(
    repo: Path,
    seen: Snapshot,
    git: InGit | None,
    *,
    records: Sequence[SessionRecord] | None = None,
    condition: Condition | None = None,
) -> Situation:
    """A run as `core.needs` asks about it; `git` as in `Situation`.

    `seen` is from a `RunWatch`, so that it has all records, unless `records` are given. `condition` is that of `seen`
    unless given.
    """
    paths = RunPaths(repo, seen.run_id)
    every = tuple(record for record in (seen.records if records is None else records) if may_need(record))
    return Situation(
        run_id=seen.run_id,
        condition=seen.condition if condition is None else condition,
        state=seen.state,
        problem=seen.problem,
        paused=seen.view.paused,
        records=every,
        tasks=taken_files(paths),
        git=git,
        last=next(iter(seen.view.recent), None),
        untold=frozenset(
            record.seq
            for record in every
            if failed_tests(record) and status(paths.transcript(record.seq, "verify")) is None
        ),
        disk_full=_has_no_room(repo),
    )


def _has_no_room(folder: Path) -> bool:
    try:
        disk = os.statvfs(folder)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _ROOM


def records_that_may_need(repo: Path, run_id: str) -> tuple[SessionRecord, ...]:
    """The records of a run that may need a person; of all others only the bytes are looked at. Raises StorageError."""
    log = readable_log(repo, run_id)
    try:
        with open_regular(log) as file:
            marked = [line for line in read_lines(file) if any(mark in (line.data or b"") for mark in _MARKS)]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise storage_error("read", log, error) from error
    return tuple(record for record in map(readable_record, marked) if record is not None and may_need(record))
