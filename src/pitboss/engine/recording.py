"""Writes the one record of a session, which makes it count, and announces it (SPEC 6, 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.settling import settle

if TYPE_CHECKING:
    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.session import Assignment, Landing, Outcome, SessionRecord
    from pitboss.engine.agent_files import AgentFiles
    from pitboss.engine.announcing import Announcer
    from pitboss.engine.control import Control
    from pitboss.engine.journal import Journal
    from pitboss.engine.spending import Spending


class Recorder:
    """Records sessions, and cleans up after them."""

    def __init__(
        self,
        journal: Journal,
        spending: Spending,
        control: Control,
        files: AgentFiles,
        announcer: Announcer,
        *,
        keep_transcripts: bool,
    ) -> None:
        self._journal = journal
        self._spending = spending
        self._control = control
        self._files = files
        self._announcer = announcer
        self._keep_transcripts = keep_transcripts

    def merge_notes(self, session: Assignment, *, again: bool) -> None:
        """Add the session's notes to the run's; with `again`, check first what was added before a crash."""
        self._files.merge_notes(session, again=again)

    def record(self, seq: int, outcome: Outcome, landing: Landing) -> SessionRecord:
        """Write the session's record: the commit point, from which it counts."""
        session = self._journal.session(seq)
        self._files.clean(session.assignment)
        record = settle(self._journal.state.run_id, session, outcome, landing)
        self._journal.recorded(record)
        self._spending.show(seq, None)
        return record

    def tell(self, record: SessionRecord, diff: DiffStat | None = None) -> None:
        """Announce that the session has ended; requests no longer concern it."""
        self._control.ended(record.seq)
        self._announcer.session_ended(record, diff)

    def thin_out(self, record: SessionRecord) -> None:
        """Delete the session's transcripts unless they are kept."""
        if not self._keep_transcripts:
            self._files.drop_transcripts(record.seq)

    def tell_notices(self) -> None:
        """Warn of anything found in the way of the run's own files meanwhile."""
        self._announcer.notices()
