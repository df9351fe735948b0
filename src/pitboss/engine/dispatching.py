"""Gives a session its number, its place and its agents, durably, before any of it runs (SPEC 6, 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core import worker
from pitboss.core.session import Assignment
from pitboss.store.scratchpad import lend

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pitboss.core.chooser import Choice
    from pitboss.core.config import Config
    from pitboss.core.worker import Worker
    from pitboss.engine.announcing import Announcer
    from pitboss.engine.control import Control
    from pitboss.engine.journal import Journal
    from pitboss.engine.ports import Places
    from pitboss.engine.session_prompts import SessionPrompts


class Workers:
    """Chooses who works on a prompt: by its own settings, then roles, then configuration."""

    def __init__(self, config: Config, prompts: SessionPrompts) -> None:
        self._config = config
        self._prompts = prompts

    def on(self, prompt: str, seq: int) -> tuple[Worker, Worker | None]:
        """The implementer of session `seq`, which begins on a prompt, and its fixer if it has one."""
        meta = self._prompts.begin(prompt, seq).meta
        return worker.implementer(self._config, meta), worker.fixer(self._config, meta)


class Dispatcher:
    """Puts chosen sessions in flight; only the loop's thread calls it."""

    def __init__(
        self,
        journal: Journal,
        control: Control,
        places: Places,
        workers: Workers,
        announcer: Announcer,
        now: Callable[[], datetime],
    ) -> None:
        self._journal = journal
        self._control = control
        self._places = places
        self._workers = workers
        self._announcer = announcer
        self._now = now

    def dispatch(self, choice: Choice) -> Assignment:
        """Give the session its number, its place and its agents, and record it as in flight."""
        seq, rundir = self._journal.next_seq(), self._journal.rundir
        self._control.began(seq)
        rundir.make_subdirectories()
        location = self._places.reserve(seq, in_slot=choice.in_slot)
        started_at = self._now()
        notes_size = lend(rundir.paths, seq) if choice.in_slot else None
        implementer, fixer = self._workers.on(choice.prompt, seq)
        session = Assignment(
            seq=seq,
            prompt=choice.prompt,
            rotation=choice.rotation,
            started_at=started_at,
            base_commit=location.base_commit,
            worktree=location.worktree,
            branch=location.branch,
            agent=implementer.agent,
            model=implementer.model,
            fixer=fixer.agent if fixer else None,
            fixer_model=fixer.model if fixer else None,
            retry_of=choice.retry_of,
            notes_size=notes_size,
        )
        self._journal.dispatched(session)
        self._announcer.session_started(session)
        return session
