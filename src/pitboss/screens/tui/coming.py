"""What comes next in a run, line by line: queued tasks, then the rotation; and the agents' notes; pure (SPEC 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.core.embed import one_line
from pitboss.core.measures import age
from pitboss.screens.output import Ink
from pitboss.screens.tui.pieces import Piece

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pitboss.store.queue import Queue, QueuedTask

    Rows = Sequence[Sequence[Piece]]

_WORDS = 200


def queue_rows(queue: Queue, next_pick: str | None, now: datetime) -> Rows:
    """Tasks in the order in which they run, what is wrong with others, and what the rotation would start next."""
    return list(_queue_rows(queue, next_pick, now))


def _queue_rows(queue: Queue, next_pick: str | None, now: datetime) -> Iterator[list[Piece]]:
    yield [Piece("queued tasks", Ink.FAINT)]
    for task in queue.tasks:
        yield _task(task, now)
    for problem in queue.problems:
        yield [Piece("  not a task  ", Ink.WARN), Piece(one_line(str(problem)))]
    if not queue.tasks:
        yield [Piece("  none; "), Piece("n", Ink.STRONG), Piece(" queues one")]
    yield []
    yield [Piece("next of the rotation", Ink.FAINT)]
    yield [Piece(f"  {one_line(next_pick)}", Ink.STRONG) if next_pick else Piece("  nothing")]


def _task(task: QueuedTask, now: datetime) -> list[Piece]:
    added = datetime.fromtimestamp(task.added, tz=UTC)
    return [
        Piece(f"  {task.id}  ", Ink.NAME),
        Piece(f"{age(added, now)}  ", Ink.FAINT),
        Piece(one_line(task.doc.body, _WORDS)),
    ]


def note_rows(notes: str) -> Rows:
    """The scratchpad, its headings set off."""
    if not notes.strip():
        return [
            [
                Piece(
                    "the agents have noted nothing yet; they share a scratchpad, and it is shown here",
                    Ink.FAINT,
                )
            ]
        ]
    return [[Piece(line, Ink.STRONG if line.startswith("#") else None)] for line in notes.split("\n")]
