"""A run without agents, disk or clock: a chooser chooses, and a test says which session ends next, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pitboss.core.chooser import Choice, Wait
from pitboss.core.session import Assignment, SessionRecord, SessionStatus
from tests.support.values import flying, fresh_run, record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.core.chooser import Chooser
    from pitboss.core.run import WaitingTask
    from pitboss.core.stops import Ending


class Rehearsal:
    """Sessions that start one by one and end in any order; records that come early wait for those before them."""

    def __init__(self, chooser: Chooser, queue: Iterable[WaitingTask] = ()) -> None:
        self.chooser = chooser
        self.run = fresh_run(queue=tuple(queue))
        self._shares = {task.id: task.parallel_safe for task in queue}
        self.log: list[SessionRecord] = []
        self.started: list[Choice] = []
        self._early: dict[int, SessionRecord] = {}

    @property
    def running(self) -> tuple[Assignment, ...]:
        return tuple(s.assignment for s in self.run.in_flight if s.seq not in self._early)

    @property
    def picked(self) -> list[str]:
        """The prompts started so far, second turns and queued tasks left out."""
        turns = (choice for choice in self.started if choice.retry_of is None and choice.queued is None)
        return [choice.prompt for choice in turns]

    def queue(self, task: WaitingTask) -> None:
        """Somebody queues a task."""
        self._shares[task.id] = task.parallel_safe
        self.run = msgspec.structs.replace(self.run, queue=(*self.run.queue, task))

    def ask(self) -> Choice | Wait | Ending:
        return self.chooser.next(self.run, self.running)

    def start(self) -> Choice | Wait | Ending:
        """Start the session that the chooser wants, if it wants one now."""
        answer = self.ask()
        if isinstance(answer, Choice):
            self.started.append(answer)
            session = flying(
                len(self.started),
                prompt=answer.prompt,
                rotation=answer.rotation,
                retry_of=answer.retry_of,
                queued=answer.queued,
                parallel_safe=self._shares.get(answer.queued or "", False),
            )
            left = tuple(task for task in self.run.queue if task.id != answer.queued)
            self.run = msgspec.structs.replace(self.run, in_flight=(*self.run.in_flight, session), queue=left)
        return answer

    def end(self, which: int, *, conflict: bool = False) -> None:
        """The session at that place among the running ones ends, in a conflict perhaps."""
        session = self.running[which % len(self.running)]
        line = record(
            session.seq,
            session.prompt,
            rotation=session.rotation,
            retry_of=session.retry_of,
            queued=session.queued,
        )
        if conflict:
            again = not session.is_no_turn
            line = msgspec.structs.replace(
                line, status=SessionStatus.ERROR, reason="conflict: with a.py", retry=again
            )
        self.log.append(line)
        self._early[session.seq] = line
        while following := self._early.pop(self.run.last_session_seq + 1, None):
            self.run = self.chooser.advance(self.run, following)

    def play(self, ends: list[tuple[int, bool]]) -> None:
        """Start whatever may start; each of `ends` says which session ends next, and whether in a conflict."""
        for which, conflict in ends:
            while isinstance(self.start(), Choice) and len(self.running) < 20:
                pass
            if not self.running:
                return
            self.end(which, conflict=conflict)
