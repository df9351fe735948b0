"""The sweep: kill at every k, or fill the disk there, resume, and hold the result against the promises.

    python -m tests.chaos.sweep [--only crash|full-disk] [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --parallel [--mode in-place|worktree] [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --attempts [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --task [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --queue [--parallel] [--every N] [--jobs N] [--first K]

the second for sessions side by side, the third for one that is retried, limited and taken over, the fourth for a run of
one task, the fifth for one that takes queued tasks. Prints points tried and points that held, and ends with 1 when any
did not.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGKILL
from typing import TYPE_CHECKING, NamedTuple, TypeVar, get_args

from tests.chaos.aftermath import Aftermath, look
from tests.chaos.attempts import build_attempts, miscounted
from tests.chaos.checks import Baseline, processes_of, records_of, violations
from tests.chaos.crash import KILLED, NOWHERE, Shim
from tests.chaos.full_disk import FullDisk, FullPoint, try_full
from tests.chaos.parallel import PROMPTS, Mode, build_parallel, picture
from tests.chaos.parallel_checks import expected_of
from tests.chaos.parallel_checks import violations as parallel_violations
from tests.chaos.queue import TASKS, build_queue, build_side_by_side, mistaken, wrong_side_by_side
from tests.chaos.scenario import REPEATED, Place, build, copy
from tests.chaos.task import BEGIN_TASK, build_task
from tests.chaos.task import violations as task_violations

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.chaos.crash import Moment

FINISHED = 1
"""Exit code of the scenario when it is run to its end: completed, with failed sessions."""

PATIENCE_S = 10.0

MOST_MISSED = 0.05
"""No two runs make quite the same calls, but what misses more points than this share of them proves nothing."""


class Point(NamedTuple):
    """Where to kill: the k-th call of the runner (or of the guardian), whole or torn, and again while resuming."""

    at: int
    torn: bool = False
    guardian: bool = False
    resume_at: int | None = None

    def __str__(self) -> str:
        words = ["guardian" if self.guardian else "runner", str(self.at), "torn" if self.torn else "plain"]
        return " ".join(words + ([f"then {self.resume_at} of the resume"] if self.resume_at else []))


class Sweep:
    """One template and one shim for all points; sessions one after the other."""

    finished = FINISHED
    """Exit code of a run that nothing disturbs."""

    begin: tuple[str, ...] = ("grind",)
    """The command that begins the run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = self.built(folder / "template")
        self.shim = Shim(folder)
        self.missed: list[Point] = []
        undisturbed = self.undisturbed()
        self.baseline = Baseline(records_of(undisturbed))
        self.require_right(undisturbed)

    def built(self, root: Path) -> Place:
        """The repository that each point gets a copy of."""
        return build(root, repeated=REPEATED)

    def undisturbed(self) -> Place:
        """A run in which nothing dies, at its end."""
        place = copy(self.template, self.folder / "undisturbed")
        ended = place.pitboss(*self.begin)
        if ended.code != self.finished:
            raise SystemExit(f"the undisturbed run failed: {ended}")
        return place

    def require_right(self, undisturbed: Place) -> None:
        """Nothing can be learnt from a run that is wrong by itself."""
        if wrong := self.judge(undisturbed, []):
            raise SystemExit(f"the undisturbed run is wrong: {wrong}")

    def calls(self, *, guardian: bool = False) -> list[str]:
        """The state-changing calls of an undisturbed run."""
        place = copy(self.template, self.folder / f"traced-{guardian}")
        return self.shim.trace(place, *self.begin, follow=not guardian)

    def judge(self, place: Place, crashes: Sequence[Aftermath]) -> list[str]:
        """What does not hold of a run that came to its end after these crashes."""
        return violations(place, self.baseline, crashes=len(crashes))

    def try_point(self, point: Point) -> list[str]:
        """Crash a fresh copy at `point`, bring it to its end, and return what does not hold."""
        place = copy(self.template, self.folder / str(point).replace(" ", "-"))
        crashes = []
        ended = self.shim.crash(place, point.at, *self.begin, torn=point.torn, follow=not point.guardian)
        if self.shim.died_at(place) == NOWHERE:
            self.missed.append(point)
        if left := processes_left(place):
            return [f"processes left after the crash: {left}"]
        if place.run_id() is None:
            return self.start_again(place)
        if ended.code in (KILLED, -9):
            crashes.append(look(place))
        moments = self.shim.died_at(place)
        if point.resume_at is not None and ended.code == KILLED:
            ended = self.shim.crash(place, point.resume_at, "grind", "--resume", torn=point.torn)
            if ended.code == KILLED:
                crashes.append(look(place))
                moments += f", then {self.shim.died_at(place)}"
        return [f"(died before {moments}) {sentence}" for sentence in self.finish(place, crashes)]

    def try_guardian(self, place: Place, moment: Moment) -> list[str]:
        """Kill the guardian at `moment`, bring the run to its end, and return what does not hold."""
        ended = self.shim.crash_at(place, moment, *self.begin, follow=False)
        if ended.code != -SIGKILL:
            return [f"the guardian did not die: {ended}"]
        if left := processes_left(place):
            return [f"processes left after the crash: {left}"]
        return self.start_again(place) if place.run_id() is None else self.finish(place, [look(place)])

    def finish(self, place: Place, crashes: Sequence[Aftermath]) -> list[str]:
        """Bring a crashed run to its end, and return what does not hold."""
        if _status(place) != "completed":
            ended = place.pitboss("grind", "--resume")
            if ended.code != self.finished:
                return [f"resume: {ended}"]
        wrong = self.judge(place, crashes)
        if not wrong:
            shutil.rmtree(place.root)
        return wrong

    def start_again(self, place: Place) -> list[str]:
        """The run had not come to be: nothing may be in the way of a new one."""
        ended = place.pitboss("grind", "--resume")
        if ended.code != 4 or "no resumable grind run found" not in ended.stderr:
            return [f"resume of no run: {ended}"]
        ended = place.pitboss(*self.begin)
        if ended.code != self.finished:
            return [f"new run: {ended}"]
        known = "main", f"pitboss/grind/{place.run_id()}"
        stray = set(place.git("branch", "--format=%(refname:short)").split()) - set(known)
        for name in stray:
            place.git("branch", "-D", name)  # a branch without a run: made right before the run directory
        wrong = self.judge(place, [])
        if not wrong:
            shutil.rmtree(place.root)
        return wrong


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


class ParallelQueueSweep(Sweep):
    """The same for tasks side by side."""

    finished = 0

    def built(self, root: Path) -> Place:
        """The repository that each point gets a copy of."""
        return build_side_by_side(root)

    def judge(self, place: Place, crashes: Sequence[Aftermath]) -> list[str]:
        """What does not hold of a run that came to its end after these crashes."""
        return wrong_side_by_side(place, crashes)


def points(calls: list[str], guardian_calls: list[str], every: int) -> list[Point]:
    """Every `every`-th point: each call plain, each write torn, some with a second crash while resuming."""
    found = []
    for at, call in enumerate(calls, 1):
        if at % every == 0:
            found.append(Point(at))
            if call.split()[1] == "write":
                found.append(Point(at, torn=True))
            if at % (5 * every) == 0:
                found += [Point(at, resume_at=k) for k in (3 + at % 40, 45 + at % 90)]
    found += [Point(at, guardian=True) for at in range(1, len(guardian_calls) + 1) if at % min(every, 4) == 0]
    return found


def _status(place: Place) -> str | None:
    import json

    try:
        state = json.loads((place.repo / f".pitboss/grind/runs/{place.run_id()}/state.json").read_text())
    except FileNotFoundError:
        return None
    return str(state["status"])


def processes_left(place: Place) -> list[int]:
    """Processes of the place that outlive the promise of five seconds."""
    deadline = time.monotonic() + PATIENCE_S
    while (left := processes_of(place)) and time.monotonic() < deadline:
        time.sleep(0.02)
    return left


Tried = TypeVar("Tried")


def try_all(todo: Sequence[Tried], attempt: Callable[[Tried], list[str]], jobs: int) -> int:
    """Try every point, say what did not hold and how far it is, and return how many held."""
    held = 0
    with ThreadPoolExecutor(jobs) as pool:
        for tried, (point, wrong) in enumerate(zip(todo, pool.map(attempt, todo), strict=True), 1):
            held += not wrong
            for sentence in wrong:
                print(f"{point}: {sentence}", flush=True)
            if tried % 50 == 0:
                print(f"{tried} of {len(todo)} points tried, {held} held", flush=True)
    return held


def crash_points(sweep: Sweep, args: argparse.Namespace) -> bool:
    """Kill the run at each point; True when all held."""
    todo = [p for p in points(sweep.calls(), sweep.calls(guardian=True), args.every) if p.at >= args.first]
    held = try_all(todo, sweep.try_point, args.jobs)
    print(f"crash points: {held} of {len(todo)} held, {len(sweep.missed)} were not reached")
    return held == len(todo) and len(sweep.missed) <= MOST_MISSED * len(todo)


def full_disks(sweep: Sweep, args: argparse.Namespace) -> bool:
    """Fill the disk at each call that needs space, for good and for one call; True when all held."""
    disk = FullDisk(sweep.folder)
    calls = disk.count(copy(sweep.template, sweep.folder / "counted"), "grind")
    numbers = range(args.first, calls + 1, args.every)
    todo = [FullPoint(at, lasting) for at in numbers for lasting in (0, 1)]
    held = try_all(
        todo, lambda point: try_full(disk, sweep.template, sweep.folder, sweep.baseline, point), args.jobs
    )
    print(f"full disks: {held} of {len(todo)} held")
    return held == len(todo)


TROUBLES = {"crash": crash_points, "full-disk": full_disks}


def main() -> int:
    """Sweep, print each point that did not hold, then the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=TROUBLES, help="one kind of trouble; default: both")
    parser.add_argument("--every", type=int, default=1, help="try every N-th point")
    parser.add_argument("--jobs", type=int, default=2, help="points at a time")
    parser.add_argument("--first", type=int, default=1, help="start at this point")
    parser.add_argument("--parallel", action="store_true", help="sessions side by side; crash points only")
    parser.add_argument(
        "--attempts", action="store_true", help="sessions of several attempts; crash points only"
    )
    parser.add_argument("--task", action="store_true", help="a run of one task; crash points only")
    parser.add_argument("--queue", action="store_true", help="a run with queued tasks; crash points only")
    parser.add_argument("--mode", choices=get_args(Mode), default="in-place", help="where they work")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pitboss-chaos-"))
    sweep, began = _chosen(folder, args), time.monotonic()
    only = "crash" if args.parallel or args.attempts or args.task or args.queue else args.only
    held = [trouble(sweep, args) for name, trouble in TROUBLES.items() if only in (None, name)]
    print(f"{time.monotonic() - began:.0f} seconds; what did not hold is kept in {folder}")
    return 0 if all(held) else 1


def _chosen(folder: Path, args: argparse.Namespace) -> Sweep:
    if args.attempts:
        return AttemptsSweep(folder)
    if args.task:
        return TaskSweep(folder)
    if args.queue:
        return ParallelQueueSweep(folder) if args.parallel else QueueSweep(folder)
    return ParallelSweep(folder, args.mode) if args.parallel else Sweep(folder)


if __name__ == "__main__":
    sys.exit(main())
