"""Every session on record in any working tree of a repository, also of runs whose directory is gone (SPEC 11).

A log that has not changed since is not read again: what was read is kept in git's folder, in one file that may be
deleted, damaged or replaced at any time and is then made again. Git's own answers are kept there too.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pitboss.core.history import PastSession, past
from pitboss.errors import PitbossError, StorageError
from pitboss.store.codec import UNREADABLE, Malformed
from pitboss.store.files import read_regular, write_atomic
from pitboss.store.git_dir import common_folder, working_trees
from pitboss.store.log import iter_records
from pitboss.store.opening import names_in
from pitboss.store.past_copy import past_copies
from pitboss.store.paths import LOG_FILENAME, PITBOSS_FOLDER, STATE_FILENAME, runs_dir
from pitboss.store.stamps import Stamp, stamp_of
from pitboss.store.state_codec import decode_state
from pitboss.typed import from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.core.run import RunState

_VERSION = 2
_LARGEST = 1024 * 1024 * 1024
_LARGEST_STATE = 16 * 1024 * 1024
_T = TypeVar("_T")


class _Read(msgspec.Struct, frozen=True, array_like=True):
    """What a log held when it looked like `stamp`."""

    stamp: Stamp
    sessions: tuple[PastSession, ...]


class _Kept(msgspec.Struct, kw_only=True):
    """The file; `more` is what somebody else keeps there."""

    version: int = _VERSION
    logs: dict[str, _Read] = {}
    more: msgspec.Raw = msgspec.Raw(b"null")


class AllSessions:
    """The sessions of a repository, read once."""

    def __init__(self, repo: Path) -> None:
        self._folders = dict(_folders(repo))
        common = common_folder(repo)
        self._file = None if common is None else _beside(common)
        self._before = _Kept() if self._file is None else _kept(self._file)

    def read(self) -> list[PastSession]:
        """All sessions, in no order; each run is read where it is whole. What cannot be read is left out."""
        logs: dict[str, _Read] = {}
        found: list[PastSession] = []
        for run_id, folders in self._folders.items():
            for folder in folders:
                path = folder / LOG_FILENAME
                if (read := self._read(run_id, path)) is not None:
                    logs[_key(path)] = read
                    found += read.sessions
                    break
        self._logs = logs
        return found

    def state(self, run_id: str) -> RunState | None:
        """The state of a run; None if it cannot be read."""
        for folder in self._folders.get(run_id, ()):
            data = read_regular(folder / STATE_FILENAME, _LARGEST_STATE)
            with suppress(Malformed):
                if data is not None:
                    return decode_state(data)
        return None

    @property
    def run_ids(self) -> list[str]:
        """All runs, oldest first."""
        return sorted(self._folders)

    def kept(self, kind: type[_T]) -> _T:
        """What `keep` was given last; a new value if there is none."""
        try:
            return from_json(bytes(self._before.more), kind)
        except UNREADABLE:
            return kind()

    def keep(self, more: msgspec.Struct) -> None:
        """Keep what was read, and `more`; a failure does no harm."""
        new = _Kept(logs=self._logs, more=msgspec.Raw(msgspec.json.encode(more)))
        if self._file is None or (
            new.logs == self._before.logs and bytes(new.more) == bytes(self._before.more)
        ):
            return
        with suppress(StorageError):
            write_atomic(self._file, msgspec.json.encode(new), make=True, spare=True)

    def _read(self, run_id: str, path: Path) -> _Read | None:
        stamp = stamp_of(path)
        if stamp is None:
            return None
        before = self._before.logs.get(_key(path))
        if before is not None and before.stamp == stamp:
            return before
        found: dict[int, PastSession] = {}
        try:
            for record in iter_records(path):
                if record.run_id == run_id:
                    found.setdefault(record.seq, past(record))
        except PitbossError:
            return None
        return _Read(stamp, tuple(found.values()))


def _folders(repo: Path) -> Iterator[tuple[str, list[Path]]]:
    """For each run the folders that may hold its log: its own, then its copies in git's folder."""
    places: list[Path] = []
    found: dict[str, list[Path]] = {}
    for root, git_folder in working_trees(repo):
        own = [] if root is None or PITBOSS_FOLDER in root.parts else [runs_dir(root)]
        places += [*own, git_folder / "pitboss" / "backup" / "runs"]
    if (common := common_folder(repo)) is not None:
        places.append(past_copies(common))
    for runs in places:
        for run_id in names_in(runs):
            found.setdefault(run_id, []).append(runs / run_id)
    yield from found.items()


def _beside(common: Path) -> Path:
    from pathlib import Path

    return Path(os.path.realpath(common)) / "pitboss" / "history"


def _key(path: Path) -> str:
    """A path as text, whatever bytes are in it."""
    return os.fsencode(path).decode("latin-1")


def _kept(file: Path) -> _Kept:
    data: Any = read_regular(file, _LARGEST)
    try:
        kept = from_json(data or b"", _Kept)
    except UNREADABLE:
        return _Kept()
    return kept if kept.version == _VERSION else _Kept()
