"""Writes a session's files as they come home from its worker: transcripts, summary, notes, usage, skip (SPEC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.process.output import Appender
from pitboss.store.files import write_atomic
from pitboss.workers.messages import Grown, SkipAsked, Written

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.store.paths import RunPaths
    from pitboss.workers.messages import FromWorker


class HomeFiles:
    """Puts the files of session `seq` where the engine reads them."""

    def __init__(self, paths: RunPaths, seq: int) -> None:
        self._paths = paths
        self._seq = seq

    def take(self, said: FromWorker, data: bytes) -> bool:
        """Write down a message if it is about a file; False if it is not. Raises StorageError."""
        match said:
            case Grown(kind=kind):
                with Appender(str(self._paths.transcript(self._seq, kind))) as file:
                    file.write(data)
            case Written():
                write_atomic(self._file(said), data, durable=False, make=True)
            case SkipAsked():
                write_atomic(self._paths.skip(self._seq), b"", durable=False, make=True)
            case _:
                return False
        return True

    def _file(self, written: Written) -> Path:
        match written.name:
            case "summary":
                return self._paths.summary(self._seq)
            case "notes":
                return self._paths.notes(self._seq)
            case _:
                return self._paths.usage(self._seq, written.kind)
