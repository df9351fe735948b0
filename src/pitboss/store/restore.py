"""Restores lost state or records of a run at rest from the copy in git's folder (SPEC 7).

    state.json     missing or unreadable
    sessions.jsonl missing, or with fewer records than its copy; damaged lines in it are for a person to judge

The old file is kept as `NAME.damaged-N`. If the copy knows less than the file, the file stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.recovery.refusals import StateUnreadable
from pitboss.store.catalogue import read_state
from pitboss.store.files import write_atomic
from pitboss.store.log import scan_log
from pitboss.store.log_repair import set_aside
from pitboss.store.opening import open_regular, status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.store.backup import Backup
    from pitboss.store.paths import RunPaths


class Lost(NamedTuple):
    """A file of a run, and the copy that knows more than it does."""

    path: Path
    copy: Path

    def describe(self) -> str:
        """One line for `pitboss repair --dry-run`."""
        return f"restore {self.path.name} from {self.copy}"


def find_lost(paths: RunPaths, backup: Backup, *, force: bool) -> list[Lost]:
    """What can be restored; with `force` also a log with damaged lines. Raises StorageError."""
    return [*_lost_state(paths, backup), *_lost_log(paths, backup, force=force)]


def bring_back(lost: list[Lost]) -> list[str]:
    """Put the copies in place, under the run's lock; returns what to tell the user. Raises StorageError."""
    return [_brought_back(path, copy) for path, copy in lost]


def _brought_back(path: Path, copy: Path) -> str:
    kept = f"; what was there is kept as {set_aside(path).name}" if status(path) is not None else ""
    with open_regular(copy) as file:
        write_atomic(path, file.read())
    return f"{path.name} was lost or damaged and has been restored from {copy}{kept}"


def _lost_state(paths: RunPaths, backup: Backup) -> Iterator[Lost]:
    try:
        read_state(paths)
    except StateUnreadable:
        copied, file = backup.state(paths.run_id), backup.state_file(paths.run_id)
        if file is not None and copied is not None and copied.run_id == paths.run_id:
            yield Lost(paths.state, file)


def _lost_log(paths: RunPaths, backup: Backup, *, force: bool) -> Iterator[Lost]:
    copy = backup.log(paths.run_id)
    if copy is None:
        return
    found, copied = (scan_log(log, paths.run_id, after_seq=2**32 - 1) for log in (paths.log, copy))
    behind = found.last_seq < copied.last_seq or found.highest_seq < copied.highest_seq
    ahead = found.last_seq > copied.last_seq or found.highest_seq > copied.highest_seq
    sound = copied.torn_at is None and not copied.damage
    if behind and not ahead and sound and (force or not found.damage):
        yield Lost(paths.log, copy)
