"""What a session's agent, fixer and hooks are given: prompt text, environment, limits (SPEC 6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.agent import AgentRequest
from pitboss.core.session import FIXER, IMPLEMENTER
from pitboss.core.text import compose_prompt, fixer_prompt
from pitboss.store.paths import skip_path

if TYPE_CHECKING:
    from pitboss.core.prompt import PromptDoc
    from pitboss.core.session import InFlight, Outcome
    from pitboss.engine.context import RunContext

DEFAULT_SESSION_SECONDS = 1800
SHELL = "shell"


class FailedTests(msgspec.Struct, frozen=True, kw_only=True):
    """What a fixer is told about the tests: the command and the end of its output."""

    command: str
    output: str


def session_environment(context: RunContext, session: InFlight) -> dict[str, str]:
    """The PITBOSS_* variables that the session's agent, tests and hooks all see.

    A parallel session has a scratchpad and a skip file of its own.
    """
    paths, seq = context.paths, session.seq
    own = session.worktree is not None
    return {
        "PITBOSS_RUN_ID": context.journal.state.run_id,
        "PITBOSS_PROMPT_NAME": session.prompt,
        "PITBOSS_SESSION_SEQ": str(seq),
        "PITBOSS_SUMMARY_FILE": str(paths.summary(seq)),
        "PITBOSS_SCRATCHPAD": str(paths.notes(seq) if own else paths.scratchpad),
        "PITBOSS_WORKTREE": context.workspace.path(session),
        "PITBOSS_SKIP_FILE": str(paths.skip(seq) if own else skip_path(context.repo_root)),
    }


def process_environment(context: RunContext, session: InFlight) -> dict[str, str]:
    """All that the session's agents and tests see.

    In a working copy of its own, git does not look for a repository above it: that one is the user's.
    """
    env = {**context.environ, **session_environment(context, session)}
    if session.worktree is not None:
        inherited = context.environ.get("GIT_CEILING_DIRECTORIES")
        ceilings = filter(None, (str(context.paths.worktrees.resolve()), inherited))
        env["GIT_CEILING_DIRECTORIES"] = os.pathsep.join(ceilings)
    return env


def assigned(context: RunContext, session: InFlight) -> InFlight:
    """`session` with the backends and models that are to work on it, from prompt, roles and configuration."""
    prompt = context.prompts[session.prompt]
    agent = prompt.meta.agent or context.config.backend
    fixer = context.config.backend if agent == SHELL else agent
    return msgspec.structs.replace(
        session,
        agent=agent,
        model=_model(context, prompt, IMPLEMENTER, agent),
        fixer=None if fixer == SHELL else fixer,
        fixer_model=None if fixer == SHELL else _model(context, prompt, FIXER, fixer),
    )


def implementer_request(context: RunContext, session: InFlight) -> AgentRequest:
    """The session's main request: the whole composed prompt."""
    prompt = context.prompts[session.prompt]
    rundir = context.journal.rundir
    notes, truncated = rundir.scratchpad_text()
    text = compose_prompt(
        body=prompt.body,
        session_log=rundir.session_log_tail(),
        scratchpad=notes,
        scratchpad_truncated=truncated,
    )
    return _limited(
        context,
        prompt,
        bill_request(context, session),
        backend=session.agent,
        text=text,
        cost_cap=prompt.meta.max_session_cost_usd,
    )


def fixer_request(
    context: RunContext, session: InFlight, outcome: Outcome, *, attempt: int, failed: FailedTests
) -> AgentRequest:
    """The request of fixer `attempt` (from 1); its cost cap is what the session has left."""
    prompt = context.prompts[session.prompt]
    cap = prompt.meta.max_session_cost_usd
    return _limited(
        context,
        prompt,
        bill_request(context, session, fix=attempt),
        backend=session.fixer,
        text=fixer_prompt(body=prompt.body, command=failed.command, output=failed.output),
        cost_cap=None if cap is None else max(0.0, cap - outcome.cost_usd),
    )


def bill_request(context: RunContext, session: InFlight, *, fix: int = 0) -> AgentRequest:
    """Enough of a request to find and judge the transcript of the session's agent, or of its fixer `fix`."""
    kind = fix_transcript(fix) if fix else ""
    usage_file = str(context.paths.usage(session.seq, kind))
    return AgentRequest(
        prompt_name=session.prompt,
        text="",
        body="",
        cwd=context.workspace.path(session),
        env={**process_environment(context, session), "PITBOSS_USAGE_FILE": usage_file},
        transcript=str(context.paths.transcript(session.seq, kind)),
        usage_file=usage_file,
        model=session.fixer_model if fix else session.model,
    )


def fix_transcript(attempt: int) -> str:
    """The kind of transcript that fixer `attempt` writes, as store.paths names it."""
    return f"fix-{attempt:02}"


def _limited(
    context: RunContext,
    prompt: PromptDoc,
    request: AgentRequest,
    *,
    backend: str | None,
    text: str,
    cost_cap: float | None,
) -> AgentRequest:
    settings = context.config.agents.get(backend or "")
    return msgspec.structs.replace(
        request,
        text=text,
        body=prompt.body,
        max_seconds=prompt.meta.max_session_seconds or DEFAULT_SESSION_SECONDS,
        idle_seconds=settings.idle_seconds if settings else None,
        max_cost_usd=cost_cap,
    )


def _model(context: RunContext, prompt: PromptDoc, role: str, backend: str) -> str | None:
    """The prompt's model, else the role's, else the backend's own."""
    settings = context.config.agents.get(backend)
    own = settings.model if settings else None
    return prompt.meta.model or context.config.models.get(role) or own
