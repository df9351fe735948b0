"""Takes secrets out of what agents write into the run directory, and keeps it for its owner alone (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.store.files import make_private, read_regular, write_atomic

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.redact import Secrets
    from pitboss.core.session import Assignment
    from pitboss.store.paths import RunPaths

READ_LIMIT = 16 * 1024 * 1024
"""Bytes of a file that are looked at; a larger one is no note of an agent, and is left as it is."""


def hide(paths: RunPaths, session: Assignment, secrets: Secrets) -> None:
    """Replace the secrets in the files that the agents of a session that is over may have written.

    Raises StorageError when a cleaned file cannot be written.
    """
    for file in _written_by_agents(paths, session):
        held = read_regular(file, READ_LIMIT)
        if held is None or len(held) == READ_LIMIT:
            continue
        redactor = secrets.stream()
        clean = redactor.feed(held) + redactor.finish()
        if clean != held:
            write_atomic(file, clean)
        else:
            make_private(file)


def _written_by_agents(paths: RunPaths, session: Assignment) -> tuple[Path, Path]:
    """The summary and the notes: the run's own for a session that was lent none."""
    notes = paths.scratchpad if session.notes_size is None else paths.notes(session.seq)
    return paths.summary(session.seq), notes
