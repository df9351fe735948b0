"""Everything before a session's agent starts: its place, a new working copy's set-up, the hook (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.events import Warned
from pitboss.core.host import HostLost
from pitboss.core.session import Outcome, SessionStatus, Verdict
from pitboss.landing.git_trouble import GitFailed

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pitboss.core.events import Observer
    from pitboss.core.session import Assignment
    from pitboss.engine.ports import Place, Places
    from pitboss.engine.session_hooks import SessionHooks


class Preparation:
    """Makes a session ready for its agent."""

    def __init__(
        self, places: Places, hooks: SessionHooks, emit: Observer, now: Callable[[], datetime]
    ) -> None:
        self._places = places
        self._hooks = hooks
        self._emit = emit
        self._now = now

    def prepare(self, session: Assignment) -> Outcome | None:
        """Make the place ready and run the hook; returns an outcome if no agent may start."""
        verdict = self._ready(session)
        if verdict is None:
            return None
        ended_at = max(session.started_at, self._now())
        return Outcome(status=verdict.status, reason=verdict.reason, ended_at=ended_at)

    def _ready(self, session: Assignment) -> Verdict | None:
        try:
            return self._make_place(session) or self._hooks.before(session)
        except HostLost as lost:
            return Verdict(SessionStatus.ABORTED, str(lost))

    def _make_place(self, session: Assignment) -> Verdict | None:
        place = self._places.at(session)
        try:
            return None if place.prepare() else self._provision(session, place)
        except GitFailed as failed:
            return Verdict(SessionStatus.ERROR, str(failed))

    def _provision(self, session: Assignment, place: Place) -> Verdict | None:
        for warning in place.provision():
            self._emit(Warned(text=warning))
        verdict = self._hooks.set_up(session)
        if verdict is None:
            place.provisioned()
        return verdict
