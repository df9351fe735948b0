"""Notes the attempts that a worker began, one durable file each, so that none begins there again (SPEC 14).

The notes of a run that has been quiet for long become one file, which says from which session on attempts may still
begin.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.leases import Stage
from pitboss.store.files import read_regular, write_atomic, write_new
from pitboss.store.opening import names_in, remove, status
from pitboss.typed import from_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LIMIT = 16 * 1024 * 1024
_NOTE = re.compile(r"(?P<run_id>.+)\.(?P<seq>[0-9]+)-[0-9]+\.json")


class BegunAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt: what it was asked for, as the caller encoded it, and how far it has come.

    `left` are the commits that wait to be fetched, None while it runs. `is_over`: all that it handed over is at home,
    and `left` are those commits. `aside` is where its clone is, or goes next, if git cannot keep there
    what it did.
    """

    run_id: str
    seq: int
    attempt: int
    asked: bytes = b""
    left: tuple[str, ...] | None = None
    is_over: bool = False
    aside: str | None = None

    @property
    def stage(self) -> Stage:
        """How far it has come; what is left is partial, as only the runner knows whether it ended well."""
        if self.is_over:
            return Stage.OVER
        return Stage.BEGUN if self.left is None else Stage.PARTIAL

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.run_id}.{self.seq}-{self.attempt}.json"


class Threshold(msgspec.Struct, frozen=True, kw_only=True):
    """The rest of a run's notes: none of its sessions before `first` may begin."""

    first: int


class BegunAttempts:
    """The list, in a folder of its own. Each attempt is written by one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def begin(self, attempt: BegunAttempt) -> bool:
        """Note an attempt before any part of it begins; False if it was begun before. Raises StorageError."""
        if attempt.seq < self._threshold(attempt.run_id):
            return False
        return write_new(self._folder / attempt.file, msgspec.json.encode(attempt))

    def update(self, attempt: BegunAttempt) -> None:
        """Note how far an attempt has come. Raises StorageError."""
        write_atomic(self._folder / attempt.file, msgspec.json.encode(attempt))

    def find(self, run_id: str, seq: int, attempt: int) -> BegunAttempt | None:
        """An attempt that was begun here; None if it was not."""
        return self._read(BegunAttempt(run_id=run_id, seq=seq, attempt=attempt).file)

    def unfinished(self) -> Iterator[BegunAttempt]:
        """The attempts of which something may be left here."""
        for name in sorted(names_in(self._folder)):
            found = self._read(name) if name.endswith(".json") else None
            if found is not None and found.stage is not Stage.OVER:
                yield found

    def fold(self, before: float) -> None:
        """Replace the notes of each run that has none since `before`, in epoch seconds, and whose attempts are over.

        One file takes their place, so that none of the attempts begins again. Raises StorageError, OSError.
        """
        held = {attempt.run_id for attempt in self.unfinished()}
        runs: dict[str, list[tuple[int, str]]] = {}
        for name in names_in(self._folder):
            if found := _NOTE.fullmatch(name):
                runs.setdefault(found["run_id"], []).append((int(found["seq"]), name))
        for run_id, notes in runs.items():
            if run_id not in held and all(self._changed(name) < before for _, name in notes):
                first = max(self._threshold(run_id), 1 + max(seq for seq, _ in notes))
                write_atomic(self._threshold_file(run_id), msgspec.json.encode(Threshold(first=first)))
                for _, name in notes:
                    remove(self._folder / name)

    def _changed(self, name: str) -> float:
        """When the latest note was written, in epoch seconds."""
        found = status(self._folder / name)
        return 0.0 if found is None else found.st_mtime

    def _threshold(self, run_id: str) -> int:
        """The first session of a run that may begin; none if the file that says so is damaged."""
        data = read_regular(self._threshold_file(run_id), _LIMIT)
        try:
            return 0 if data is None else from_json(data, Threshold).first
        except msgspec.DecodeError:
            return sys.maxsize

    def _threshold_file(self, run_id: str) -> Path:
        return self._folder / f"{run_id}.threshold"

    def _read(self, name: str) -> BegunAttempt | None:
        data = read_regular(self._folder / name, _LIMIT)
        try:
            return None if data is None else from_json(data, BegunAttempt)
        except msgspec.DecodeError:
            return None
