"""Brings a session's work home: tests, commits, updates, lands or rescues it (SPEC 6, 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.events import Phase, PhaseChanged
from pitboss.core.host import HostLost
from pitboss.core.session import Landing, SessionStatus
from pitboss.core.settling import summarized
from pitboss.core.text import commit_message

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from pitboss.core.config import Config
    from pitboss.core.diff_stat import DiffStat
    from pitboss.core.events import Observer
    from pitboss.core.session import Assignment, Outcome
    from pitboss.engine.agent_files import AgentFiles
    from pitboss.engine.journal import Journal
    from pitboss.engine.ports import Places
    from pitboss.engine.verify import Verifier


class Delivery:
    """Brings home the work of sessions whose outcome is durable; every step can be repeated after a crash."""

    def __init__(
        self,
        journal: Journal,
        places: Places,
        verifier: Verifier,
        files: AgentFiles,
        config: Config,
        emit: Observer,
    ) -> None:
        self._journal = journal
        self._places = places
        self._verifier = verifier
        self._files = files
        self._config = config
        self._emit = emit

    def await_tests(self, session: Assignment, outcome: Outcome) -> Outcome:
        """The outcome, marked as not verified if tests are due."""
        return self._verifier.await_tests(session, outcome)

    def look_ahead(self, session: Assignment) -> None:
        """Begin to look at the session's tree, unless tests or a fixer may still change it.

        What git finds is ready when the outcome is written.
        """
        if not self._verifier.is_due(session):
            self._places.at(session).look_ahead()

    def verify(self, session: Assignment) -> Outcome:
        """Test the session's work if tests are due; returns the outcome with the verdict, durable."""
        outcome = self._journal.outcome(session.seq)
        if not outcome.verified:
            outcome = self._verifier.verify(session, outcome)
            # A fixer may have updated the summary.
            summary = self._files.summary(session.seq) or outcome.summary
            outcome = msgspec.structs.replace(outcome, summary=summary)
            self._journal.ended(session.seq, outcome)
        return outcome

    def commit(self, session: Assignment, outcome: Outcome) -> None:
        """Commit before the session's turn: git, and the user's hooks, can work for several sessions at once."""
        vacated = self._journal.progress(session.seq).committed is not None
        if session.worktree is not None and self._lands(outcome) and not vacated:
            self._emit(PhaseChanged(seq=session.seq, phase=Phase.LAND))
            self._places.at(session).commit(self._message(session, outcome))

    def vacate(self, session: Assignment, *, hooks_follow: bool) -> bool:
        """Let another session have the place while others land before this one; False if it is still needed.

        A session that vacated before a crash no longer has its place.
        """
        seq, place = session.seq, self._places.at(session)
        committed = self._journal.progress(seq).committed
        if committed is None:
            needed = (
                hooks_follow or self._verifier.is_due(session) or not self._lands(self._journal.outcome(seq))
            )
            committed = None if needed or not self._places.is_landing() else place.committed()
            if committed is None:
                return False
            self._journal.vacated(seq, committed)
        place.vacate(committed)
        return True

    def turn(self) -> AbstractContextManager[None]:
        """Wait for a turn to land: one session at a time, first come, first served."""
        return self._places.turn()

    def catch_up(self, session: Assignment) -> Outcome:
        """Test the session's work, then its merge with work that has landed meanwhile, if due; returns the outcome."""
        outcome = self.verify(session)
        if outcome.status is not SessionStatus.OK or not self._verifier.is_due(session):
            return outcome
        if not self._places.at(session).is_behind():
            return outcome
        # Durable before the tree changes: after a crash the merge is tested again.
        self._journal.ended(session.seq, msgspec.structs.replace(outcome, verified=False))
        try:
            if self._places.at(session).catch_up(self._message(session, outcome)):
                return self.verify(session)
        except HostLost as lost:
            outcome = msgspec.structs.replace(outcome, status=SessionStatus.ABORTED, reason=str(lost))
        self._journal.ended(session.seq, outcome)
        return outcome

    def land(self, session: Assignment, outcome: Outcome) -> Landing:
        """Put the session's work on the run branch, or keep it under rescue refs."""
        self._emit(PhaseChanged(seq=session.seq, phase=Phase.LAND))
        if self._lands(outcome):
            landing = self._places.at(session).land(self._message(session, outcome))
        else:
            landing = self._places.at(session).rescue()
        return self._clean(landing)

    def vacate_landed(self, session: Assignment, landing: Landing, *, hooks_follow: bool) -> bool:
        """Let another session have the place while this one's landing is shown and recorded; False if that has to wait.

        The next session there begins from what this one landed.
        """
        place = self._places.at(session)
        committed = None if hooks_follow or landing.commit is None or landing.reason else place.committed()
        if committed is None:
            return False
        self._journal.vacated(session.seq, committed)
        place.vacate(committed)
        return True

    def follow(self, session: Assignment, landing: Landing) -> Landing:
        """Bring the user's checkout up to what has landed, together with others that are about to land."""
        if landing.commit is None:
            return landing
        self._places.let_others_land()
        return self._clean(self._places.at(session).follow(landing))

    def _clean(self, landing: Landing) -> Landing:
        """The landing without secrets, which hooks, branches and file names may hold and git quotes."""
        reason = landing.reason and self._files.redact(landing.reason)
        return msgspec.structs.replace(landing, reason=reason)

    def diff(self, session: Assignment, landing: Landing) -> DiffStat | None:
        """How much the session's landed work changed; None if nothing landed or it is unknown."""
        return None if landing.commit is None else self._places.at(session).diff()

    def rescue_commits(self, session: Assignment) -> Landing:
        """Rescue what the session committed without looking at its tree, which now belongs to another."""
        return Landing(rescue=tuple(self._places.at(session).rescue_commits()))

    def release(self, session: Assignment) -> None:
        """Free the session's place."""
        self._places.at(session).release()

    def _lands(self, outcome: Outcome) -> bool:
        if outcome.status is SessionStatus.ERROR:
            return self._config.grind.land == "always"
        return outcome.status is SessionStatus.OK

    def _message(self, session: Assignment, outcome: Outcome) -> str:
        return commit_message(
            prompt=session.prompt,
            seq=session.seq,
            run_id=self._journal.state.run_id,
            summary=summarized(outcome, outcome.status, outcome.reason),
            subject=self._config.commit_subject,
        )
