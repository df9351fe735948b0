"""One attempt of one agent in a session: the names of its files, whom to bill, and what follows it (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.agent import Resume
from pitboss.core.retry import Again, Fallback, Restart, has_worked
from pitboss.core.usage import Usage
from pitboss.store.paths import attempt_kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.agent import AgentOutcome
    from pitboss.core.session import Assignment


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Attempt `nth` (from 1) of a session's implementer, or of its fixer number `fix` (from 1)."""

    agent: str
    model: str | None = None
    fix: int = 0
    nth: int = 1
    resume: Resume | None = None

    @classmethod
    def of_implementer(cls, session: Assignment) -> Attempt:
        """The first attempt of the session's implementer, with the session's model."""
        return cls(agent=str(session.agent), model=session.model)

    @classmethod
    def of_fixer(cls, session: Assignment, fix: int) -> Attempt:
        """The first attempt of the session's fixer number `fix`, from 1."""
        return cls(agent=str(session.fixer), model=session.fixer_model, fix=fix)

    @property
    def is_fix(self) -> bool:
        """Whether this is a fixer's attempt."""
        return self.fix > 0

    @property
    def kind(self) -> str:
        """The kind of transcript it writes, as named in `store.paths`."""
        words = (f"fix-{self.fix:02}" if self.is_fix else "", attempt_kind(self.nth))
        return ".".join(filter(None, words))


class Succession:
    """Works out a session's next attempt, which resumes the agent's own session where possible.

    It remembers every agent's own session so far, except those in which nothing has been done yet.
    """

    def __init__(self, session: Assignment, is_resumable: Callable[[str], bool]) -> None:
        self._first = Attempt.of_implementer(session)
        self._is_resumable = is_resumable
        self._own: dict[str, Resume] = {}

    def after(self, attempt: Attempt, ended: AgentOutcome, step: Again | Restart | Fallback) -> Attempt:
        """The attempt that `step` asks for. Only the session's first agent gets the session's model."""
        self._keep(attempt, ended)
        if isinstance(step, Restart):
            self._own.pop(attempt.agent, None)
        agent, model = attempt.agent, attempt.model
        if isinstance(step, Fallback):
            agent = step.agent
            model = self._first.model if agent == self._first.agent else None
        return Attempt(
            agent=agent, model=model, fix=attempt.fix, nth=attempt.nth + 1, resume=self._own.get(agent)
        )

    def _keep(self, attempt: Attempt, ended: AgentOutcome) -> None:
        begun = attempt.resume is not None or has_worked(ended)
        if not begun or ended.session_id is None or not self._is_resumable(attempt.agent):
            return
        same = attempt.resume is not None and attempt.resume.session_id == ended.session_id
        before = attempt.resume.usage if attempt.resume is not None and same else Usage()
        self._own[attempt.agent] = Resume(session_id=ended.session_id, usage=before + ended.usage)
