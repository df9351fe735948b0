"""What a session's agent, fixer and hooks are given: prompt text, environment, limits (SPEC 6)."""

from __future__ import annotations

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
    """The PITBOSS_* variables that the session's agent, tests and hooks all see."""
    paths = context.paths
    return {
        "PITBOSS_RUN_ID": context.journal.state.run_id,
        "PITBOSS_PROMPT_NAME": session.prompt,
        "PITBOSS_SESSION_SEQ": str(session.seq),
        "PITBOSS_SUMMARY_FILE": str(paths.summary(session.seq)),
        "PITBOSS_SCRATCHPAD": str(paths.scratchpad),
        "PITBOSS_WORKTREE": context.workspace.path,
        "PITBOSS_SKIP_FILE": str(skip_path(context.repo_root)),
    }


def backend_of(context: RunContext, prompt: PromptDoc) -> str:
    """The agent that works on `prompt`: its own, else the configured one."""
    return prompt.meta.agent or context.config.backend


def fixer_backend(context: RunContext, prompt: PromptDoc) -> str | None:
    """The agent that mends failed tests; None when no agent that could think is configured."""
    name = backend_of(context, prompt)
    if name == SHELL:
        name = context.config.backend
    return None if name == SHELL else name


def model_of(context: RunContext, prompt: PromptDoc, role: str = IMPLEMENTER) -> str | None:
    """The model for `role` on `prompt`: the prompt's, else the role's, else the backend's own."""
    backend = fixer_backend(context, prompt) if role == FIXER else backend_of(context, prompt)
    settings = context.config.agents.get(backend or "")
    own = settings.model if settings else None
    return prompt.meta.model or context.config.models.get(role) or own


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
    return _request(
        context,
        session,
        role=IMPLEMENTER,
        text=text,
        transcript="",
        cost_cap=prompt.meta.max_session_cost_usd,
    )


def fixer_request(
    context: RunContext, session: InFlight, outcome: Outcome, *, attempt: int, failed: FailedTests
) -> AgentRequest:
    """The request of fixer `attempt` (from 1); its cost cap is what the session has left."""
    prompt = context.prompts[session.prompt]
    cap = prompt.meta.max_session_cost_usd
    return _request(
        context,
        session,
        role=FIXER,
        text=fixer_prompt(body=prompt.body, command=failed.command, output=failed.output),
        transcript=fix_transcript(attempt),
        cost_cap=None if cap is None else max(0.0, cap - outcome.cost_usd),
    )


def fix_transcript(attempt: int) -> str:
    """The kind of transcript that fixer `attempt` writes, as store.paths names it."""
    return f"fix-{attempt:02}"


def _request(
    context: RunContext, session: InFlight, *, role: str, text: str, transcript: str, cost_cap: float | None
) -> AgentRequest:
    prompt = context.prompts[session.prompt]
    backend = fixer_backend(context, prompt) if role == FIXER else backend_of(context, prompt)
    settings = context.config.agents.get(backend or "")
    usage_file = str(context.paths.usage(session.seq, transcript))
    return AgentRequest(
        prompt_name=session.prompt,
        text=text,
        body=prompt.body,
        cwd=context.workspace.path,
        env={
            **context.environ,
            **session_environment(context, session),
            "PITBOSS_USAGE_FILE": usage_file,
        },
        transcript=str(context.paths.transcript(session.seq, transcript)),
        usage_file=usage_file,
        model=model_of(context, prompt, role),
        max_seconds=prompt.meta.max_session_seconds or DEFAULT_SESSION_SECONDS,
        idle_seconds=settings.idle_seconds if settings else None,
        max_cost_usd=cost_cap,
    )
