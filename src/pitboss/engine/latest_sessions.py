"""The latest sessions of a run, as agents are shown them (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.store.log import glance_back

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.core.session import SessionRecord
    from pitboss.store.record_codec import RecordGlance

SHOWN = 50
"""How many of the latest sessions an agent sees, one line each."""


class LatestSessions:
    """The latest sessions of a run, in the order in which they ended; its log is read once. Not thread-safe."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lines: list[str] | None = None

    def add(self, record: SessionRecord) -> None:
        """Add a record that has just been appended to the log."""
        if self._lines is not None:
            self._lines = [*self._lines, _line(record)][-SHOWN:]

    def lines(self) -> list[str]:
        """One line for each of them."""
        if self._lines is None:
            self._lines = list(map(_line, glance_back(self._log, SHOWN)))
        return self._lines


def _line(session: RecordGlance | SessionRecord) -> str:
    from pitboss.core.text import session_line  # a resume that is refused shows no session

    return session_line(
        seq=session.seq, prompt=session.prompt, status=session.status, summary=session.summary
    )
