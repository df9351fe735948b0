"""The runs that are swept: each kind is built, crashed and judged in its own way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.chaos.attempts import build_attempts, miscounted
from tests.chaos.crash import Shim
from tests.chaos.crashing import Sweep
from tests.chaos.notices import build_notified, mistold
from tests.chaos.parallel import PROMPTS, Mode, build_parallel, picture
from tests.chaos.parallel_checks import expected_of
from tests.chaos.parallel_checks import violations as parallel_violations
from tests.chaos.queue import TASKS, build_queue, build_side_by_side, mistaken, wrong_side_by_side
from tests.chaos.steering import Hand
from tests.chaos.task import BEGIN_TASK, build_task
from tests.chaos.task import violations as task_violations
from tests.chaos.viewers import viewers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.chaos.aftermath import Aftermath
    from tests.chaos.crashing import Point
    from tests.chaos.scenario import Place


class ParallelSweep(Sweep):
    """The same for sessions side by side, in the user's tree or apart from it."""

    def __init__(self, folder: Path, mode: Mode) -> None:
        self.folder = folder
        self.template = build_parallel(folder / "template", mode)
        self.shim = Shim(folder)
        self.missed = []
        user = picture(self.template) if mode == "worktree" else None
        undisturbed = self.undisturbed()
        self.expected = expected_of(undisturbed, PROMPTS, user=user)
        self.require_right(undisturbed)

    def judge(self, place: Place, crashes: Sequence[Aftermath]) -> list[str]:
        """What does not hold of a run that came to its end after these crashes."""
        return parallel_violations(place, self.expected, crashes)


class AttemptsSweep(Sweep):
    """The same for sessions that take several attempts, whose record must have each of them once."""

    finished = 0

    def built(self, root: Path) -> Place:
        """The repository that each point gets a copy of."""
        return build_attempts(root)

    def judge(self, place: Place, crashes: Sequence[Aftermath]) -> list[str]:
        """What does not hold of a run that came to its end after these crashes."""
        return [*super().judge(place, crashes), *miscounted(place)]


class TaskSweep(Sweep):
    """The same for a run of one task, which must have been worked on to the end as often as was asked."""

    finished = 0
    begin = BEGIN_TASK

    def built(self, root: Path) -> Place:
        """The repository that each point gets a copy of."""
        return build_task(root)

    def judge(self, place: Place, crashes: Sequence[Aftermath]) -> list[str]:
        """What does not hold of a run that came to its end after these crashes."""
        return task_violations(place, crashes)


class QueueSweep(Sweep):
    """The same for a run with queued tasks, each of which must be run once at most."""

    def built(self, root: Path) -> Place:
        """The repository that each point gets a copy of."""
        return build_queue(root)

    def judge(self, place: Place, crashes: Sequence[Aftermath]) -> list[str]:
        """What does not hold of a run that came to its end after these crashes."""
        turns = {"a-commit": 2, "f-hook-fails": 1, "g-commit": 2}
        return [*super().judge(place, crashes), *mistaken(place, TASKS, turns)]


class SteeredSweep(QueueSweep):
    """The same while somebody pauses and unpauses the run and changes its budgets all the time."""

    def tried(self, place: Place, point: Point) -> list[str]:
        """Crash the run at `point` with a request on its way, and return what does not hold at its end."""
        with Hand(place) as hand:
            wrong = super().tried(place, point)
        return [*wrong, *hand.lost()]


class WatchedSweep(QueueSweep):
    """The same while one viewer looks on, one is stopped, and one is killed between the crash and the resume."""

    begin = resume = ("grind", "--resume", "--max-iterations", "none")
    before, after = "1 of 1 session", "every prompt has had its runs"
    """What viewers show of the run before it goes on, and once it is over."""

    def fresh(self, root: Path) -> Place:
        """A copy with a run at rest for viewers to look at: one of its own, as processes are known by their run."""
        place = super().fresh(root)
        place.pitboss("grind", "--max-iterations", "1")
        return place

    def tried(self, place: Place, point: Point) -> list[str]:
        """Crash the run at `point` under the eyes of viewers, and return what does not hold at its end."""
        with viewers(place, on_terminal=point.at % 2 == 0, awaiting=self.before) as watching:
            crashed = self.crash(place, point)
            watching.killed.process.kill()
            wrong = self.brought_to_its_end(place, crashed)
            return [*wrong, *watching.blind(self.after)]


class NotifiedSweep(Sweep):
    """The same for a run that somebody hears of: no news is lost, and none told more often than once a life."""

    def built(self, root: Path) -> Place:
        """The repository that each point gets a copy of."""
        return build_notified(root)

    def tried(self, place: Place, point: Point) -> list[str]:
        """Crash the run at `point`; who kills its guardian kills the one who would tell of it."""
        crashed = self.crash(place, point)
        wrong = self.brought_to_its_end(place, crashed)
        return wrong or mistold(place, crashed.found, guarded=not point.guardian)


class ParallelQueueSweep(Sweep):
    """The same for tasks side by side."""

    finished = 0

    def built(self, root: Path) -> Place:
        """The repository that each point gets a copy of."""
        return build_side_by_side(root)

    def judge(self, place: Place, crashes: Sequence[Aftermath]) -> list[str]:
        """What does not hold of a run that came to its end after these crashes."""
        return wrong_side_by_side(place, crashes)
