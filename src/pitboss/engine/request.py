"""What a session's agent, fixer and hooks are given: prompt text, environment, limits (SPEC 6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pitboss.core import worker
from pitboss.core.agent import AgentRequest
from pitboss.core.text import CONTINUE, compose_prompt, fixer_prompt
from pitboss.engine.attempt import Attempt
from pitboss.store import sessions_md
from pitboss.store.paths import skip_path
from pitboss.store.scratchpad import notes_for_prompt

if TYPE_CHECKING:
    from pitboss.core.prompt import PromptDoc
    from pitboss.core.session import Assignment
    from pitboss.engine.context import RunContext

DEFAULT_SESSION_SECONDS = 1800
LEAST_SECONDS = 1.0


class FailedTests(msgspec.Struct, frozen=True, kw_only=True):
    """What a fixer is told about the tests: the command and the end of its output."""

    command: str
    output: str


def session_environment(context: RunContext, session: Assignment) -> dict[str, str]:
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
        "PITBOSS_WORKTREE": context.places.at(session).path,
        "PITBOSS_SKIP_FILE": str(paths.skip(seq) if own else skip_path(context.repo_root)),
    }


def process_environment(context: RunContext, session: Assignment) -> dict[str, str]:
    """All that the session's agents and tests see.

    In a working copy of its own, git does not look for a repository above it: that one is the user's.
    """
    env = {**context.environ, **session_environment(context, session)}
    if session.worktree is not None:
        inherited = context.environ.get("GIT_CEILING_DIRECTORIES")
        ceilings = filter(None, (str(context.paths.worktrees.resolve()), inherited))
        env["GIT_CEILING_DIRECTORIES"] = os.pathsep.join(ceilings)
    return env


def assigned(context: RunContext, session: Assignment) -> Assignment:
    """`session` with the backends and models that are to work on it, from prompt, roles and configuration."""
    meta = context.prompts[session.prompt].meta
    works, mends = worker.implementer(context.config, meta), worker.fixer(context.config, meta)
    return msgspec.structs.replace(
        session,
        agent=works.agent,
        model=works.model,
        fixer=mends and mends.agent,
        fixer_model=mends and mends.model,
    )


def implementer(session: Assignment) -> Attempt:
    """The first attempt of the session's main agent, whose model the session's is."""
    return Attempt(agent=str(session.agent), model=session.model)


def fixer(session: Assignment, nth: int) -> Attempt:
    """The first attempt of the session's fixer number `nth`, from 1."""
    return Attempt(agent=str(session.fixer), model=session.fixer_model, fix=nth)


def implementer_text(context: RunContext, session: Assignment) -> str:
    """The whole composed prompt of the session."""
    paths = context.journal.rundir.paths
    notes, truncated = notes_for_prompt(paths)
    return compose_prompt(
        body=context.prompts[session.prompt].body,
        session_log=sessions_md.tail(paths),
        scratchpad=notes,
        scratchpad_truncated=truncated,
    )


def fixer_text(context: RunContext, session: Assignment, failed: FailedTests) -> str:
    """What a fixer is asked for."""
    body = context.prompts[session.prompt].body
    return fixer_prompt(body=body, command=failed.command, output=failed.output)


def attempt_request(
    context: RunContext, session: Assignment, part: Attempt, *, text: str, billed_usd: float, worked_s: float
) -> AgentRequest:
    """The request of one attempt; its limits are what those before it, which cost `billed_usd`, have left.

    An agent that goes on with its own session knows the prompt already.
    """
    prompt = context.prompts[session.prompt]
    settings = context.config.agents.get(part.agent)
    max_seconds = prompt.meta.max_session_seconds or DEFAULT_SESSION_SECONDS
    return msgspec.structs.replace(
        bill_request(context, session, part),
        text=text if part.resume is None else CONTINUE,
        body=prompt.body,
        max_seconds=max(LEAST_SECONDS, max_seconds - worked_s),
        idle_seconds=settings.idle_seconds if settings else None,
        max_cost_usd=_cost_left(context, session.seq, prompt, billed_usd),
        live_usage=_is_capped(context, prompt),
    )


def bill_request(context: RunContext, session: Assignment, part: Attempt) -> AgentRequest:
    """Enough of a request to find and judge the transcript of an attempt."""
    usage_file = str(context.paths.usage(session.seq, part.kind))
    return AgentRequest(
        prompt_name=session.prompt,
        text="",
        body="",
        cwd=context.places.at(session).path,
        env={**process_environment(context, session), "PITBOSS_USAGE_FILE": usage_file},
        transcript=str(context.paths.transcript(session.seq, part.kind)),
        usage_file=usage_file,
        model=part.model,
        resume=part.resume,
    )


def _cost_left(context: RunContext, seq: int, prompt: PromptDoc, billed_usd: float) -> float | None:
    """The session's cap, and with hard budgets the run's, as far as nobody has used it up."""
    own, run = prompt.meta.max_session_cost_usd, context.caps.max_cost_usd
    left = [] if own is None else [own - billed_usd]
    if run is not None and context.config.hard_budgets:
        used = context.journal.consumed.cost_usd + context.meter.cost_beside(seq)
        left.append(run - used - billed_usd)
    return max(0.0, min(left)) if left else None


def _is_capped(context: RunContext, prompt: PromptDoc) -> bool:
    """Whether a cap may end the session by what it uses while it runs."""
    run = context.caps.max_cost_usd is not None or context.caps.max_tokens is not None
    return prompt.meta.max_session_cost_usd is not None or (run and context.config.hard_budgets)
