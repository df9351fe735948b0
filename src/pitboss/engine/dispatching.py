"""Gives a session its number, its place and its agents, durably, before any of it runs (SPEC 6, 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core import worker
from pitboss.core.session import Assignment
from pitboss.store.scratchpad import lend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.core.chooser import Choice
    from pitboss.core.config import Config
    from pitboss.core.prompt import PromptMeta
    from pitboss.core.worker import Worker
    from pitboss.engine.announcing import Announcer
    from pitboss.engine.control import Control
    from pitboss.engine.documents import Documents
    from pitboss.engine.journal import Journal
    from pitboss.engine.ports import Places
    from pitboss.engine.task_queue import TaskQueue


class Workers:
    """Chooses who works on a prompt or task: by its own settings, then roles, then configuration."""

    def __init__(self, config: Config, documents: Documents) -> None:
        self._config = config
        self._documents = documents

    def begin(self, choice: Choice, seq: int) -> PromptMeta:
        """The settings of the prompt or task of session `seq`, which is being dispatched."""
        return self._documents.begin(choice, seq).meta

    def on(self, meta: PromptMeta) -> tuple[Worker, Worker | None]:
        """The implementer, and the fixer if there is one."""
        return worker.implementer(self._config, meta), worker.fixer(self._config, meta)


class Dispatcher:
    """Puts chosen sessions in flight; only the loop's thread calls it."""

    def __init__(
        self,
        journal: Journal,
        control: Control,
        places: Places,
        workers: Workers,
        queue: TaskQueue,
        announcer: Announcer,
    ) -> None:
        self._journal = journal
        self._control = control
        self._places = places
        self._workers = workers
        self._queue = queue
        self._announcer = announcer

    def assign(self, choice: Choice) -> Assignment:
        """Give the session its number, its place and its agents; nothing in it may start before `begin`."""
        session = self._assignment(choice)
        self._journal.assigned(session)
        return session

    def begin(self, sessions: Sequence[Assignment]) -> list[Assignment]:
        """Make durable that the sessions assigned so far are in flight; returns those that are to begin.

        A session whose task has left the queue meanwhile does not begin. Its number goes to the next session, so it
        must be the last one assigned.
        """
        self._journal.dispatched()
        return [session for session in sessions if self._begins(session)]

    def _begins(self, session: Assignment) -> bool:
        if not self._queue.take(session):
            self._withdraw(session)
            return False
        self._announcer.session_started(session)
        return True

    def _assignment(self, choice: Choice) -> Assignment:
        seq, rundir = self._journal.next_seq(), self._journal.rundir
        self._control.began(seq)
        rundir.make_subdirectories()
        location = self._places.reserve(seq, in_slot=choice.in_slot)
        started_at = self._journal.now()
        notes_size = lend(rundir.paths, seq) if choice.in_slot else None
        meta = self._workers.begin(choice, seq)
        implementer, fixer = self._workers.on(meta)
        return Assignment(
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
            queued=choice.queued,
            parallel_safe=choice.queued is not None and meta.parallel_safe,
            notes_size=notes_size,
            host=location.host,
        )

    def _withdraw(self, session: Assignment) -> None:
        self._journal.withdrawn(session.seq)
        self._places.withdraw(session)
        self._control.ended(session.seq)
