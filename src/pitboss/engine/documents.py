"""Finds the document that a session works on: a prompt of the rotation, or a task from the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitboss.core.chooser import Choice
    from pitboss.core.prompt import PromptDoc
    from pitboss.core.session import Assignment
    from pitboss.engine.session_prompts import SessionPrompts
    from pitboss.engine.task_queue import TaskQueue


class Documents:
    """Finds the document of a session; a task may have the name of a prompt."""

    def __init__(self, prompts: SessionPrompts, queue: TaskQueue) -> None:
        self._prompts = prompts
        self._queue = queue

    def of(self, session: Assignment) -> PromptDoc | None:
        """The session's prompt or task; None if it is gone. Any thread may ask."""
        return self._prompts.of(session) if session.queued is None else self._queue.task(session.queued)

    def begin(self, choice: Choice, seq: int) -> PromptDoc:
        """The document of session `seq`, which is being dispatched; only the loop's thread calls this."""
        if choice.queued is None:
            return self._prompts.begin(choice.prompt, seq)
        task = self._queue.task(choice.queued)
        if task is None:
            raise AssertionError(f"nobody has read task {choice.queued}")
        return task
