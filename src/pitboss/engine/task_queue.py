"""Takes tasks from the queue into a live run, each of them once (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.errors import StartError
from pitboss.store import taking
from pitboss.store.queue import QueueReader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pitboss.core.prompt import PromptDoc
    from pitboss.core.session import Assignment
    from pitboss.engine.journal import Journal
    from pitboss.store.queue import QueuedTask


class TaskQueue:
    """Takes tasks in and out of the queue; only the loop's thread calls it, except for `task`.

    `check_agent` raises StartError for an agent that cannot be used. With `only_new`, tasks that are there already are
    left for another run.
    """

    def __init__(
        self,
        journal: Journal,
        warn: Callable[[str], object],
        check_agent: Callable[[str], object],
        *,
        only_new: bool,
    ) -> None:
        self._journal = journal
        self._warn = warn
        self._check_agent = check_agent
        self._paths = journal.rundir.paths
        self._reader = QueueReader(self._paths.repo)
        self._told: set[str] = set()
        self._docs: dict[str, PromptDoc] = {}
        self._not_ours = {task.id for task in self._reader.read().tasks} if only_new else set()

    def look(self) -> None:
        """Take in the tasks that wait now. A file that is not a task is warned of once, and stays where it is."""
        found = self._reader.read()
        problems, usable = list(map(str, found.problems)), []
        for task in found.tasks:
            if why := self._why_unusable(task):
                problems.append(why)
            elif task.id not in self._not_ours:
                usable.append(task)
        self._report(problems)
        self._take_in(usable)

    def take(self, session: Assignment) -> bool:
        """Take the task of a session that is in flight; False if it is gone, or another session has it.

        Durable when this returns. A session without a task is fine. Raises StorageError.
        """
        task_id = session.queued
        if task_id is None:
            return True
        taken = taking.take(self._paths.repo, self._paths, task_id, session.seq)
        if not taken:
            self._not_ours.add(task_id)
        self._journal.queued(tuple(task for task in self._journal.state.queue if task.id != task_id))
        return taken

    def task(self, task_id: str) -> PromptDoc | None:
        """A task's text as it was when it was taken, so nobody can change it while its session runs."""
        known = self._docs.get(task_id)
        return taking.taken(self._paths, task_id) if known is None else known

    def _why_unusable(self, task: QueuedTask) -> str | None:
        agent = task.doc.meta.agent
        try:
            if agent is not None:
                self._check_agent(agent)
        except StartError as error:
            return f"{task.doc.source_path}: {error.message}"
        return None

    def _report(self, problems: list[str]) -> None:
        for problem in problems:
            if problem not in self._told:
                self._warn(f"a task in the queue cannot be run: {problem}")
        self._told = set(problems)

    def _take_in(self, tasks: Iterable[QueuedTask]) -> None:
        waiting = tuple(task.waiting for task in tasks)
        self._docs = {task.id: task.doc for task in tasks} | self._in_flight()
        if waiting != self._journal.state.queue:
            self._journal.queued(waiting)

    def _in_flight(self) -> dict[str, PromptDoc]:
        """The texts of the tasks in flight."""
        if not self._docs:
            return {}
        ids = {session.assignment.queued for session in self._journal.state.in_flight}
        return {task_id: doc for task_id, doc in self._docs.items() if task_id in ids}
