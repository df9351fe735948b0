"""One session, from dispatch to record (SPEC 6). A crash may interrupt any step; recovery enters at `conclude`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.session import Assignment, Landing, SessionRecord
    from pitboss.engine.delivery import Delivery
    from pitboss.engine.implementing import Implementing
    from pitboss.engine.journal import Journal
    from pitboss.engine.preparation import Preparation
    from pitboss.engine.recording import Recorder
    from pitboss.engine.session_hooks import SessionHooks


class SessionRunner:
    """Runs dispatched sessions, each in a thread of its own, and brings each to its one record."""

    def __init__(
        self,
        preparation: Preparation,
        implementing: Implementing,
        delivery: Delivery,
        recorder: Recorder,
        hooks: SessionHooks,
        journal: Journal,
    ) -> None:
        self._preparation = preparation
        self._implementing = implementing
        self._delivery = delivery
        self._recorder = recorder
        self._hooks = hooks
        self._journal = journal

    def run(self, session: Assignment, vacated: Callable[[], None] = lambda: None) -> SessionRecord:
        """Prepare the session, let its agent work, and conclude it; `vacated` is called if its place is free early."""
        outcome = self._preparation.prepare(session) or self._implementing.implement(
            session, at_its_end=lambda: self._delivery.look_ahead(session)
        )
        self._journal.ended(session.seq, self._delivery.await_tests(session, outcome), apart=True)
        return self.conclude(session.seq, vacated=vacated)

    def conclude(
        self, seq: int, *, again: bool = False, vacated: Callable[[], None] = lambda: None
    ) -> SessionRecord:
        """Bring a session whose outcome is durable to its record: verify, land or rescue, record, announce.

        Repeatable: with `again`, it detects what was done before a crash, and does not repeat it.
        """
        session = self._journal.assignment(seq)
        self._delivery.commit(session, self._delivery.verify(session))
        if has_left := self._delivery.vacate(session, hooks_follow=self._hooks.follow):
            vacated()
        with self._delivery.turn():
            outcome = self._delivery.catch_up(session)
            landing = self._delivery.land(session, outcome)
            self._recorder.merge_notes(session, again=again)
        if not has_left and self._delivery.vacate_landed(session, landing, hooks_follow=self._hooks.follow):
            has_left = True
            vacated()
        landing = self._delivery.follow(session, landing)
        record = self._recorder.record(seq, outcome, landing)
        self._recorder.tell(record, self._delivery.diff(session, landing))
        if not has_left:
            self._hooks.after(session, record)
        self._recorder.thin_out(record)
        self._delivery.release(session)
        self._recorder.tell_notices()
        return record

    def conclude_elsewhere(self, seq: int, landed: Landing | None = None) -> SessionRecord:
        """Bring a session to its record without its tree, which is now another session's (SPEC 7).

        `landed` says where its work went, if it landed. No hook runs: the session has no tree to run it in.
        """
        landing = landed or self._delivery.rescue_commits(self._journal.assignment(seq))
        record = self._recorder.record(seq, self._journal.outcome(seq), landing)
        self._recorder.tell(record)
        return record
