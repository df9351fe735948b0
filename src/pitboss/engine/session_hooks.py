"""The user's shell commands before and after a session, with its environment and a transcript (SPEC 6)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pitboss.core.embed import first_bytes
from pitboss.core.events import SET_UP, Phase, PhaseChanged, Warned
from pitboss.core.host import HostLost
from pitboss.core.session import Reason, SessionStatus, Verdict
from pitboss.core.stops import StopRequest
from pitboss.core.user_commands import HookRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.config import GrindSettings
    from pitboss.core.events import Observer
    from pitboss.core.session import Assignment, SessionRecord
    from pitboss.core.user_commands import HookResult
    from pitboss.engine.control import Control
    from pitboss.engine.journal import Journal
    from pitboss.engine.ports import Hosts

SETUP_SECONDS = 1800.0
"""For `[grind.worktree] setup`, which may install what a project needs."""

SUMMARY_IN_ENVIRONMENT = 32 * 1024
"""Bytes: Linux allows 128 KiB per variable, and limits their total too."""


class SessionHooks:
    """Runs the user's `hooks` and `[grind.worktree] setup`; an empty command counts as none."""

    def __init__(
        self,
        settings: GrindSettings,
        hosts: Hosts,
        control: Control,
        journal: Journal,
        emit: Observer,
    ) -> None:
        self._settings = settings
        self._hosts = hosts
        self._control = control
        self._journal = journal
        self._emit = emit

    @property
    def follow(self) -> bool:
        """Whether any hook may run after the session, in its tree."""
        return bool(self._settings.hooks.post_session or self._settings.hooks.on_failure)

    def set_up(self, session: Assignment) -> Verdict | None:
        """Set up a new working copy; returns a verdict if that fails, and then no agent may start."""
        return self._before(session, SET_UP, self._settings.worktree.setup, seconds=SETUP_SECONDS)

    def before(self, session: Assignment) -> Verdict | None:
        """Run the hook before the agent; returns a verdict if no agent may start."""
        return self._before(session, "pre_session", self._settings.hooks.pre_session)

    def after(self, session: Assignment, record: SessionRecord) -> None:
        """Run the hooks that follow a session's record; they do not change it.

        After an aborted or skipped session none run.
        """
        if record.status in (SessionStatus.ABORTED, SessionStatus.SKIPPED):
            return
        hooks = self._settings.hooks
        self._after(session, record, "post_session", hooks.post_session)
        if record.status is not SessionStatus.OK:
            self._after(session, record, "on_failure", hooks.on_failure)

    def _before(
        self, session: Assignment, name: str, command: str | None, *, seconds: float | None = None
    ) -> Verdict | None:
        if not command:
            return None
        stop = self._control.announced(partial(self._control.stop_session, session.seq))
        self._announce(session, name)
        result = self._start(session, command, {}, stop=stop, seconds=seconds)
        if result.stop is StopRequest.SKIP:
            return Verdict(SessionStatus.SKIPPED, str(Reason.SKIPPED))
        if result.stop is not None:
            return Verdict(SessionStatus.ABORTED, str(Reason.ABORTED))
        return (
            None if result.passed else Verdict(SessionStatus.ERROR, Reason.HOOK_FAILED.because(result.detail))
        )

    def _after(self, session: Assignment, record: SessionRecord, name: str, command: str | None) -> None:
        if not command:
            return
        self._journal.checkpoint()
        extra = {
            "PITBOSS_SESSION_STATUS": str(record.status),
            "PITBOSS_SESSION_SUMMARY": first_bytes(record.summary or "", SUMMARY_IN_ENVIRONMENT),
        }
        self._announce(session, name)
        try:
            result = self._start(
                session, command, extra, stop=self._control.announced(self._control.abort_session)
            )
        except HostLost as lost:
            self._emit(Warned(text=f"hook `{command}` may not have run: {lost}"))
            return
        if not result.passed:
            self._emit(Warned(text=f"hook `{command}` failed: {result.detail}"))

    def _announce(self, session: Assignment, name: str) -> None:
        self._emit(PhaseChanged(seq=session.seq, phase=Phase.HOOK, detail=name))

    def _start(
        self,
        session: Assignment,
        command: str,
        extra: dict[str, str],
        *,
        stop: Callable[[], StopRequest | None],
        seconds: float | None = None,
    ) -> HookResult:
        hook = HookRequest(
            command=command,
            variables={"PITBOSS_SESSION_PROMPT": session.prompt, **extra},
            passthrough=tuple(self._settings.hook_env_passthrough),
            timeout_s=seconds or self._settings.hook_timeout_secs,
        )
        return self._hosts.of(session).run_hook(hook, stop=stop)
