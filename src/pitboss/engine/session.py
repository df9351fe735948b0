"""One session, from pick to record (SPEC 6). Every step may be cut off; `conclude` is where recovery enters."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.embed import clean, first_bytes
from pitboss.core.events import Phase, PhaseChanged, SessionEnded, SessionStarted, Warned
from pitboss.core.session import (
    IMPLEMENTER,
    Assignment,
    Landing,
    Outcome,
    Reason,
    SessionRecord,
    SessionStatus,
    settle,
    summarized,
)
from pitboss.core.stops import StopRequest
from pitboss.core.text import commit_message, first_paragraph
from pitboss.engine.agent_files import hide
from pitboss.engine.request import assigned, implementer, implementer_text, session_environment
from pitboss.engine.retrying import bill, work
from pitboss.engine.verify import bill_fixers, verify
from pitboss.errors import StorageError
from pitboss.hooks import run_hook
from pitboss.landing.git_trouble import GitFailed
from pitboss.store.files import read_regular
from pitboss.store.opening import names_in, remove
from pitboss.store.scratchpad import lend, merge

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.chooser import Choice
    from pitboss.engine.context import RunContext
    from pitboss.hooks import HookResult

SETUP_SECONDS = 1800.0
"""For `[grind.worktree] setup`, which may install what a project needs."""

SUMMARY_LIMIT = 64 * 1024
SUMMARY_IN_ENVIRONMENT = 32 * 1024
"""Bytes: one variable may hold 128 KiB on Linux, and all of them together have a limit too."""


def dispatch(context: RunContext, choice: Choice) -> Assignment:
    """Give the session its number and its place and put it on record as in flight; nothing of it runs yet."""
    seq = context.journal.next_seq()
    context.control.began(seq)
    context.journal.rundir.make_subdirectories()
    place = context.places.reserve(seq, in_slot=choice.in_slot)
    session = Assignment(
        seq=seq,
        prompt=choice.prompt,
        rotation=choice.rotation,
        started_at=context.clock(),
        base_commit=place.base_commit,
        worktree=place.worktree,
        branch=place.branch,
        retry_of=choice.retry_of,
        notes_size=lend(context.paths, seq) if choice.in_slot else None,
    )
    session = assigned(context, session)
    context.journal.dispatched(session)
    context.emit(
        SessionStarted(
            seq=seq,
            prompt=session.prompt,
            agent=session.agent,
            model=session.model,
            slot=session.worktree,
            host=context.host,
            retry_of=session.retry_of,
            next_pick=context.next_pick(),
        )
    )
    return session


def run_session(context: RunContext, session: Assignment) -> SessionRecord:
    """Let the agent of a dispatched session work, and bring the session to its one record."""
    outcome = _prepare(context, session) or _pre_session(context, session) or _run_agent(context, session)
    context.journal.ended(session.seq, outcome)
    return conclude(context, session.seq)


def conclude(context: RunContext, seq: int, *, again: bool = False) -> SessionRecord:
    """Bring a session whose outcome is durable to its record: verify, land or rescue, record, hooks.

    Repeatable: with `again`, whatever part of it was done before a crash is found and not done again.
    """
    _commit(context, context.journal.assignment(seq), _verified(context, seq))
    with context.places.turn():
        outcome = _caught_up(context, seq)
        session = context.journal.assignment(seq)
        landing = _place(context, session, outcome)
        # Git's words, branches and files have names and hooks that nobody looked through before.
        landing = msgspec.structs.replace(
            landing, reason=landing.reason and context.secrets.redact(landing.reason)
        )
        _merge_notes(context, session, again=again)
        record = _record(context, session, outcome, landing)
    _tell(context, record)
    _after_record(context, session, record)
    context.places.at(session).release()
    context.tell_notices()
    return record


def conclude_elsewhere(context: RunContext, seq: int, landed: Landing | None = None) -> SessionRecord:
    """Bring a session to its record by what it `landed`, if anything: its tree is not its own any more (SPEC 7).

    No hook runs: there is no tree of the session to run it in.
    """
    session, outcome = context.journal.assignment(seq), _outcome(context, seq)
    landing = landed or Landing(rescue=tuple(context.places.at(session).rescue_commits()))
    record = _record(context, session, outcome, landing)
    _tell(context, record)
    return record


def _record(context: RunContext, session: Assignment, outcome: Outcome, landing: Landing) -> SessionRecord:
    hide(context.paths, session, context.secrets)
    record = settle(context.journal.state.run_id, context.journal.session(session.seq), outcome, landing)
    context.journal.recorded(record)
    context.meter.show(session.seq, None)
    return record


def _tell(context: RunContext, record: SessionRecord) -> None:
    context.control.ended(record.seq)
    context.emit(SessionEnded(record=record, next_pick=context.next_pick()))


def interrupted(context: RunContext, session: Assignment) -> Outcome:
    """The outcome of a session whose runner died under it: billed by what it left behind, aborted."""
    progress = context.journal.progress(session.seq)
    if progress.outcome is not None:
        ended = bill_fixers(context, session, progress.outcome)
        return msgspec.structs.replace(
            ended, status=SessionStatus.ABORTED, reason=str(Reason.INTERRUPTED), verified=True
        )
    outcome = Outcome(
        status=SessionStatus.ABORTED,
        reason=str(Reason.INTERRUPTED),
        ended_at=max(session.started_at, context.clock()),
        summary=_summary(context, session),
    )
    if session.agent is None:
        return msgspec.structs.replace(outcome, cost_known=False)
    worked = bill(context, session, implementer(session), begun=progress.begun or progress.pid is not None)
    billed = outcome.bill(IMPLEMENTER, worked.usage)
    return msgspec.structs.replace(billed, model=worked.last.model, agent=worked.agent)


def _prepare(context: RunContext, session: Assignment) -> Outcome | None:
    """Make the place ready; an outcome means that it could not be, and that the agent is not to be started."""
    try:
        return _set_up(context, session)
    except GitFailed as failed:
        return _unstarted(context, session, SessionStatus.ERROR, str(failed))


def _set_up(context: RunContext, session: Assignment) -> Outcome | None:
    if context.places.at(session).prepare():
        return None
    setup = context.config.grind.worktree.setup
    for warning in context.places.at(session).provision():
        context.emit(Warned(text=warning))
    outcome = None if setup is None else _hooked(context, session, setup, seconds=SETUP_SECONDS)
    if outcome is None:
        context.places.at(session).provisioned()
    return outcome


def _pre_session(context: RunContext, session: Assignment) -> Outcome | None:
    """Run the hook before the agent; an outcome means that the agent is not to be started."""
    command = context.hooks.pre_session
    if command is None:
        return None
    return _hooked(context, session, command)


def _hooked(
    context: RunContext, session: Assignment, command: str, *, seconds: float | None = None
) -> Outcome | None:
    """Run a command before the agent; unless it passes, return the outcome of a session that never started."""
    stop = partial(context.control.stop_session, session.seq)
    result = _hook(context, session, command, {}, stop=stop, seconds=seconds)
    if result.stop is StopRequest.SKIP:
        return _unstarted(context, session, SessionStatus.SKIPPED, str(Reason.SKIPPED))
    if result.stop is not None:
        return _unstarted(context, session, SessionStatus.ABORTED, str(Reason.ABORTED))
    if not result.passed:
        return _unstarted(context, session, SessionStatus.ERROR, Reason.HOOK_FAILED.because(result.detail))
    return None


def _unstarted(context: RunContext, session: Assignment, status: SessionStatus, reason: str) -> Outcome:
    return Outcome(status=status, reason=reason, ended_at=max(session.started_at, context.clock()))


def _run_agent(context: RunContext, session: Assignment) -> Outcome:
    context.emit(PhaseChanged(seq=session.seq, phase=Phase.AGENT))
    part = implementer(session)
    worked = work(context, session, part, context.config.limits, text=implementer_text(context, session))
    status, reason = worked.last.status, worked.last.reason
    # An agent may ask for the skip and end before anybody looks.
    by_itself = status in (SessionStatus.OK, SessionStatus.ERROR)
    if by_itself and context.control.take_last_word(session.seq) is StopRequest.SKIP:
        status, reason = SessionStatus.SKIPPED, str(Reason.SKIPPED)
    return Outcome(
        status=status,
        reason=reason,
        summary=_summary(context, session),
        said=first_paragraph(context.secrets.redact(clean(worked.last.text or ""))),
        ended_at=max(session.started_at, context.clock()),
        model=worked.last.model,
        agent=worked.agent,
        idle=worked.last.idle and not worked.usage.has_tokens,
        verified=not (_verifies(context, session) and status is SessionStatus.OK),
    ).bill(IMPLEMENTER, worked.usage)


def _summary(context: RunContext, session: Assignment) -> str | None:
    # What is cut off is cut off a clean text: half a secret is known by nothing.
    written = read_regular(context.paths.summary(session.seq), 2 * SUMMARY_LIMIT)
    if written is None:
        return None
    text = context.secrets.redact(clean(written.decode(errors="replace")))
    return first_bytes(text, SUMMARY_LIMIT)


def _outcome(context: RunContext, seq: int) -> Outcome:
    outcome = context.journal.progress(seq).outcome
    if outcome is None:
        raise AssertionError("a session is concluded only after its outcome is written")
    return outcome


def _verified(context: RunContext, seq: int) -> Outcome:
    """The session's outcome with the verdict of the project's tests, durable, if it needs one."""
    session, outcome = context.journal.assignment(seq), _outcome(context, seq)
    if not outcome.verified:
        outcome = verify(context, session, outcome)
        # A fixer may have brought the summary up to date.
        outcome = msgspec.structs.replace(outcome, summary=_summary(context, session) or outcome.summary)
        context.journal.ended(session.seq, outcome)
    return outcome


def _caught_up(context: RunContext, seq: int) -> Outcome:
    """The outcome once the tests passed on what will be landed: the session's work with what landed meanwhile."""
    outcome = _verified(context, seq)
    session = context.journal.assignment(seq)
    if outcome.status is not SessionStatus.OK or not _verifies(context, session):
        return outcome
    if not context.places.at(session).is_behind():
        return outcome
    # Durable before the tree changes: a merge whose tests were cut off is tested again.
    context.journal.ended(seq, msgspec.structs.replace(outcome, verified=False))
    if context.places.at(session).catch_up(_message(context, session, outcome)):
        return _verified(context, seq)
    context.journal.ended(seq, outcome)
    return outcome


def _verifies(context: RunContext, session: Assignment) -> bool:
    prompt = context.prompts.get(session.prompt)
    return prompt is not None and prompt.meta.verify


def _commit(context: RunContext, session: Assignment, outcome: Outcome) -> None:
    """What needs no turn: git, and the user's hooks, may work for several sessions at once."""
    if session.worktree is not None and _lands(context, outcome):
        context.emit(PhaseChanged(seq=session.seq, phase=Phase.LAND))
        context.places.at(session).commit(_message(context, session, outcome))


def _place(context: RunContext, session: Assignment, outcome: Outcome) -> Landing:
    context.emit(PhaseChanged(seq=session.seq, phase=Phase.LAND))
    if not _lands(context, outcome):
        return context.places.at(session).rescue()
    return context.places.at(session).land(_message(context, session, outcome))


def _lands(context: RunContext, outcome: Outcome) -> bool:
    if outcome.status is SessionStatus.ERROR:
        return context.config.grind.land == "always"
    return outcome.status is SessionStatus.OK


def _message(context: RunContext, session: Assignment, outcome: Outcome) -> str:
    return commit_message(
        prompt=session.prompt,
        seq=session.seq,
        run_id=context.journal.state.run_id,
        summary=summarized(outcome, outcome.status, outcome.reason),
        subject=context.config.commit_subject,
    )


def _merge_notes(context: RunContext, session: Assignment, *, again: bool) -> None:
    """Add the session's notes to the run's. They are for other agents: what is wrong with them ends no run."""
    if session.notes_size is None:
        return
    try:
        merge(
            context.paths,
            session.seq,
            session.prompt,
            session.notes_size,
            secrets=context.secrets,
            again=again,
        )
    except StorageError as error:
        context.emit(Warned(text=f"the notes of session {session.seq} were not merged: {error.message}"))


def _after_record(context: RunContext, session: Assignment, record: SessionRecord) -> None:
    if record.status not in (SessionStatus.ABORTED, SessionStatus.SKIPPED):
        _post_hooks(context, session, record)
    if context.config.grind.transcript_retention == "keep_none":
        folder = context.paths.transcripts
        for name in names_in(folder):
            if name.startswith(f"session-{session.seq:04}."):
                remove(folder / name)


def _post_hooks(context: RunContext, session: Assignment, record: SessionRecord) -> None:
    extra = {
        "PITBOSS_SESSION_STATUS": str(record.status),
        "PITBOSS_SESSION_SUMMARY": first_bytes(record.summary or "", SUMMARY_IN_ENVIRONMENT),
    }
    failed = record.status is not SessionStatus.OK
    commands = (context.hooks.post_session, context.hooks.on_failure if failed else None)
    for command in filter(None, commands):
        context.journal.checkpoint()
        result = _hook(context, session, command, extra, stop=context.control.abort_session)
        if not result.passed:
            context.emit(Warned(text=f"hook `{command}` failed: {result.detail}"))


def _hook(
    context: RunContext,
    session: Assignment,
    command: str,
    extra: dict[str, str],
    *,
    stop: Callable[[], StopRequest | None],
    seconds: float | None = None,
) -> HookResult:
    context.emit(PhaseChanged(seq=session.seq, phase=Phase.HOOK))
    grind = context.config.grind
    return run_hook(
        command,
        cwd=context.places.at(session).path,
        pitboss_env={
            **session_environment(context, session),
            "PITBOSS_SESSION_PROMPT": session.prompt,
            **extra,
        },
        passthrough=grind.hook_env_passthrough,
        timeout_s=seconds or grind.hook_timeout_secs,
        transcript=str(context.paths.transcript(session.seq, "hooks")),
        stop=stop,
    )
