"""What agents write into the run directory: read, redacted and kept private (SPEC 6)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.core.embed import clean, first_bytes
from pitboss.core.events import Warned
from pitboss.errors import StorageError
from pitboss.store.files import read_regular, write_atomic
from pitboss.store.opening import names_in, remove, remove_tree
from pitboss.store.scratchpad import merge

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.events import Observer
    from pitboss.core.redact import Secrets
    from pitboss.core.session import Assignment
    from pitboss.store.paths import RunPaths

READ_LIMIT = 16 * 1024 * 1024
"""Bytes. Anything larger is not a note by an agent, so it is left alone."""

SUMMARY_LIMIT = 64 * 1024


class AgentFiles:
    """The summaries, notes and transcripts of a run's sessions."""

    def __init__(self, paths: RunPaths, secrets: Secrets, emit: Observer) -> None:
        self._paths = paths
        self._secrets = secrets
        self._emit = emit

    def redact(self, text: str) -> str:
        """`text` without its secrets."""
        return self._secrets.redact(text)

    def summary(self, seq: int) -> str | None:
        """The summary that session `seq`'s agent wrote; None if it wrote none."""
        # Redact before truncating: half a secret would not be recognised.
        written = read_regular(self._paths.summary(seq), 2 * SUMMARY_LIMIT)
        if written is None:
            return None
        text = self.redact(clean(written.decode(errors="replace")))
        return first_bytes(text, SUMMARY_LIMIT)

    def merge_notes(self, session: Assignment, *, again: bool) -> None:
        """Add the session's notes to the run's; with `again`, first check what was added before a crash.

        Notes only serve other agents, so a problem with them never ends the run.
        """
        if session.notes_size is None:
            return
        seq, size = session.seq, session.notes_size
        try:
            merge(self._paths, seq, session.prompt, size, secrets=self._secrets, again=again)
        except StorageError as error:
            self._emit(Warned(text=f"the notes of session {seq} were not merged: {error.message}"))

    def clean(self, session: Assignment) -> None:
        """Redact secrets in whatever the agents of a finished session may have written; delete leftovers of a crash.

        Raises StorageError if a redacted file cannot be written, or another cannot be made private.
        """
        for file in self._written(session):
            held = read_regular(file, READ_LIMIT, private=True)
            if held is None or len(held) == READ_LIMIT:
                continue
            if (cleaned := self._secrets.redact_bytes(held)) != held:
                write_atomic(file, cleaned)
        with suppress(OSError):
            remove_tree(self._paths.exchange(session.seq))

    def drop_transcripts(self, seq: int) -> None:
        """Delete every transcript of session `seq`."""
        folder = self._paths.transcripts
        for name in names_in(folder):
            if name.startswith(f"session-{seq:04}."):
                remove(folder / name)

    def _written(self, session: Assignment) -> tuple[Path, Path]:
        """The summary and the notes; a session without notes of its own writes into the run's."""
        lent = session.notes_size is not None
        notes = self._paths.notes(session.seq) if lent else self._paths.scratchpad
        return self._paths.summary(session.seq), notes
