"""The orders for a session's agents: prompt text and limits (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.agent import AgentOrder
from pitboss.core.text import CONTINUE, compose_prompt, fixer_prompt
from pitboss.store.scratchpad import notes_for_prompt

if TYPE_CHECKING:
    from pitboss.core.config import Config
    from pitboss.core.prompt import PromptDoc
    from pitboss.core.session import Assignment
    from pitboss.engine.attempt import Attempt
    from pitboss.engine.documents import Documents
    from pitboss.engine.journal import Journal
    from pitboss.engine.spending import Spending

DEFAULT_SESSION_SECONDS = 1800
LEAST_SECONDS = 1.0


class FailedTests(msgspec.Struct, frozen=True, kw_only=True):
    """What a fixer learns about the tests: the command and the end of its output."""

    command: str
    output: str


class AgentOrders:
    """Makes the orders of a session's attempts."""

    def __init__(
        self,
        config: Config,
        documents: Documents,
        journal: Journal,
        spending: Spending,
    ) -> None:
        self._config = config
        self._documents = documents
        self._journal = journal
        self._spending = spending

    def cap_usd(self, session: Assignment) -> float | None:
        """What the session may cost; None if that is unlimited or its prompt is gone."""
        prompt = self._documents.of(session)
        return prompt.meta.max_session_cost_usd if prompt else None

    def _prompt(self, session: Assignment) -> PromptDoc:
        prompt = self._documents.of(session)
        if prompt is None:
            raise AssertionError(f"session {session.seq} has no prompt")
        return prompt

    def implementer_text(self, session: Assignment) -> str:
        """The whole composed prompt of the session."""
        notes, truncated = notes_for_prompt(self._journal.rundir.paths)
        return compose_prompt(
            body=self._prompt(session).body,
            session_log="\n".join(self._journal.latest_sessions()),
            scratchpad=notes,
            scratchpad_truncated=truncated,
        )

    def fixer_text(self, session: Assignment, failed: FailedTests) -> str:
        """The whole prompt of a fixer."""
        body = self._prompt(session).body
        return fixer_prompt(body=body, command=failed.command, output=failed.output)

    def to_run(
        self, session: Assignment, attempt: Attempt, *, text: str, billed_usd: float, worked_s: float
    ) -> AgentOrder:
        """The order for one attempt; its limits are what `billed_usd` and `worked_s` seconds of work have left.

        An agent that resumes its own session already knows the prompt.
        """
        prompt = self._prompt(session)
        settings = self._config.agents.get(attempt.agent)
        cap_usd = prompt.meta.max_session_cost_usd
        max_seconds = prompt.meta.max_session_seconds or DEFAULT_SESSION_SECONDS
        return msgspec.structs.replace(
            self.to_bill(session.prompt, attempt),
            text=text if attempt.resume is None else CONTINUE,
            body=prompt.body,
            max_seconds=max(LEAST_SECONDS, max_seconds - worked_s),
            idle_seconds=settings.idle_seconds if settings else None,
            max_cost_usd=None if cap_usd is None else max(0.0, cap_usd - billed_usd),
            run_left_usd=self._spending.left_usd(session.seq, billed_usd),
            live_usage=cap_usd is not None or self._spending.is_hard,
        )

    def to_bill(self, prompt_name: str, attempt: Attempt) -> AgentOrder:
        """Enough of an order to find and judge the transcript of an attempt."""
        return AgentOrder(
            prompt_name=prompt_name,
            text="",
            body="",
            agent=attempt.agent,
            kind=attempt.kind,
            model=attempt.model,
            resume=attempt.resume,
        )
