"""What a session's agents, tests and hooks get: environment, prompt text, limits (SPEC 6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.agent import AgentRequest
from pitboss.core.text import CONTINUE, compose_prompt, fixer_prompt, session_line
from pitboss.store.log import glance_back
from pitboss.store.scratchpad import notes_for_prompt

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pitboss.core.config import Config
    from pitboss.core.prompt import PromptDoc
    from pitboss.core.session import Assignment
    from pitboss.engine.attempt import Attempt
    from pitboss.engine.ports import Places
    from pitboss.engine.spending import Spending
    from pitboss.store.paths import RunPaths

DEFAULT_SESSION_SECONDS = 1800
LEAST_SECONDS = 1.0
SESSIONS_SHOWN = 50
"""How many of the latest sessions an agent is shown, a line each."""


class FailedTests(msgspec.Struct, frozen=True, kw_only=True):
    """What a fixer learns about the tests: the command and the end of its output."""

    command: str
    output: str


class Surroundings:
    """The tree and the environment that a session's processes get; `environ` is the runner's own."""

    def __init__(self, places: Places, paths: RunPaths, environ: Mapping[str, str]) -> None:
        self._places = places
        self._paths = paths
        self._environ = environ

    def tree(self, session: Assignment) -> str:
        """The absolute path of the tree that the session works in."""
        return self._places.at(session).path

    def transcript(self, session: Assignment, kind: str) -> str:
        """The absolute path of a transcript of the session."""
        return str(self._paths.transcript(session.seq, kind))

    def variables(self, session: Assignment) -> dict[str, str]:
        """The PITBOSS_* variables that the session's agents, tests and hooks all see.

        A parallel session has a scratchpad and a skip file of its own.
        """
        paths, seq = self._paths, session.seq
        own = session.worktree is not None
        return {
            "PITBOSS_RUN_ID": paths.run_id,
            "PITBOSS_PROMPT_NAME": session.prompt,
            "PITBOSS_SESSION_SEQ": str(seq),
            "PITBOSS_SUMMARY_FILE": str(paths.summary(seq)),
            "PITBOSS_SCRATCHPAD": str(paths.notes(seq) if own else paths.scratchpad),
            "PITBOSS_WORKTREE": self.tree(session),
            "PITBOSS_SKIP_FILE": str(paths.skip(seq) if own else paths.skip_file),
        }

    def environment(self, session: Assignment) -> dict[str, str]:
        """All that the session's agents and tests see.

        In a working copy of its own, git does not look for a repository above it: that one is the user's.
        """
        env = {**self._environ, **self.variables(session)}
        if session.worktree is not None:
            inherited = self._environ.get("GIT_CEILING_DIRECTORIES")
            ceilings = filter(None, (str(self._paths.worktrees.resolve()), inherited))
            env["GIT_CEILING_DIRECTORIES"] = os.pathsep.join(ceilings)
        return env


class AgentRequests:
    """Makes the requests of a session's attempts."""

    def __init__(
        self,
        config: Config,
        prompts: Mapping[str, PromptDoc],
        paths: RunPaths,
        surroundings: Surroundings,
        spending: Spending,
    ) -> None:
        self._config = config
        self._prompts = prompts
        self._paths = paths
        self._surroundings = surroundings
        self._spending = spending

    def cap_usd(self, session: Assignment) -> float | None:
        """What the session may cost; None when nothing bounds it, or its prompt is gone."""
        prompt = self._prompts.get(session.prompt)
        return prompt.meta.max_session_cost_usd if prompt else None

    def implementer_text(self, session: Assignment) -> str:
        """The whole composed prompt of the session."""
        notes, truncated = notes_for_prompt(self._paths)
        return compose_prompt(
            body=self._prompts[session.prompt].body,
            session_log=self._session_log(),
            scratchpad=notes,
            scratchpad_truncated=truncated,
        )

    def _session_log(self) -> str:
        sessions = glance_back(self._paths.log, SESSIONS_SHOWN)
        return "\n".join(
            session_line(seq=each.seq, prompt=each.prompt, status=each.status, summary=each.summary)
            for each in sessions
        )

    def fixer_text(self, session: Assignment, failed: FailedTests) -> str:
        """The whole prompt of a fixer."""
        body = self._prompts[session.prompt].body
        return fixer_prompt(body=body, command=failed.command, output=failed.output)

    def to_run(
        self, session: Assignment, attempt: Attempt, *, text: str, billed_usd: float, worked_s: float
    ) -> AgentRequest:
        """The request of one attempt; its limits are what is left after `billed_usd` and `worked_s` seconds of work.

        An agent that resumes its own session knows the prompt already.
        """
        prompt = self._prompts[session.prompt]
        settings = self._config.agents.get(attempt.agent)
        cap_usd = prompt.meta.max_session_cost_usd
        max_seconds = prompt.meta.max_session_seconds or DEFAULT_SESSION_SECONDS
        return msgspec.structs.replace(
            self.to_bill(session, attempt),
            text=text if attempt.resume is None else CONTINUE,
            body=prompt.body,
            max_seconds=max(LEAST_SECONDS, max_seconds - worked_s),
            idle_seconds=settings.idle_seconds if settings else None,
            max_cost_usd=self._spending.left_usd(session.seq, cap_usd, billed_usd),
            live_usage=cap_usd is not None or self._spending.ends_sessions(),
        )

    def to_bill(self, session: Assignment, attempt: Attempt) -> AgentRequest:
        """Enough of a request to find and judge the transcript of an attempt."""
        usage_file = str(self._paths.usage(session.seq, attempt.kind))
        env = self._surroundings.environment(session)
        return AgentRequest(
            prompt_name=session.prompt,
            text="",
            body="",
            cwd=self._surroundings.tree(session),
            env={**env, "PITBOSS_USAGE_FILE": usage_file},
            transcript=self._surroundings.transcript(session, attempt.kind),
            usage_file=usage_file,
            model=attempt.model,
            resume=attempt.resume,
        )
