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

    from pitboss.core.scheduler import Standing
    from pitboss.store.queue import Queue, QueuedTask

    Rows = Sequence[Sequence[Piece]]

_WORDS = 200


def queue_rows(queue: Queue, standings: Sequence[Standing], now: datetime) -> Rows:
    """Tasks in the order in which they run, what is wrong with others, and what the rotation prefers."""
    return [*_task_rows(queue, now), [], *_standing_rows(standings)]


def _task_rows(queue: Queue, now: datetime) -> Iterator[list[Piece]]:
    yield [Piece("queued tasks, first in line", Ink.FAINT)]
    for task in queue.tasks:
        yield _task(task, now)
    for problem in queue.problems:
        yield [Piece("  not a task  ", Ink.WARN), Piece(one_line(str(problem)))]
    if not queue.tasks:
        yield [Piece("  none; "), Piece("n", Ink.STRONG), Piece(" queues one")]


def _standing_rows(standings: Sequence[Standing]) -> Iterator[list[Piece]]:
    """The score is how far a prompt is behind its share: `weight * runs of all - runs * weights of all`."""
    yield [Piece("then the rotation: who is farthest behind its share of runs", Ink.FAINT)]
    width = max((len(each.name) for each in standings), default=0)
    for each in standings:
        score = "-" if each.score is None else f"{each.score:+d}"
        why = each.share + (", left out: landed nothing too often" if each.left_out else "")
        ink = Ink.FAINT if each.score is None else Ink.STRONG
        yield [
            Piece(f"  {one_line(each.name):<{width}}", ink),
            Piece(f"  {score:>5}  "),
            Piece(why, Ink.FAINT),
        ]
    if not standings:
        yield [Piece("  not known: the run's events are gone")]


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
