"""The sweep: kill at every k, or fill the disk there, resume, and hold the result against the promises.

    python -m tests.chaos.sweep [--only crash|full-disk] [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --parallel [--mode in-place|worktree] [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --attempts [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --task [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --queue [--parallel] [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --steered [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --watched [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --notified [--every N] [--jobs N] [--first K]
    python -m tests.chaos.sweep --land [--every N] [--jobs N] [--first K]

the second for sessions side by side, the third for one that is retried, limited and taken over, the fourth for a run of
one task, the fifth for one that takes queued tasks, the sixth for one with a request on its way whenever it dies, the
seventh for one with viewers that are stopped and killed, the eighth for one that somebody hears of, the last for `land`
instead of a run, in each of its ways. Prints points tried and points that held, and ends with 1 when any did not.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, get_args

from tests.chaos.crashing import Point, Sweep
from tests.chaos.full_disk import FullDisk, FullPoint, try_full
from tests.chaos.landing import WAYS, LandSweep
from tests.chaos.parallel import Mode
from tests.chaos.scenario import copy
from tests.chaos.sweeps import (
    AttemptsSweep,
    NotifiedSweep,
    ParallelQueueSweep,
    ParallelSweep,
    QueueSweep,
    SteeredSweep,
    TaskSweep,
    WatchedSweep,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_MISSED = 0.05
"""No two runs make quite the same calls, but what misses more points than this share of them proves nothing."""


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


def landings(sweep: LandSweep, args: argparse.Namespace) -> bool:
    """Kill `land` at each point of each of its ways; True when all held."""
    todo = [point for way in WAYS for point in sweep.points(way, every=args.every, first=args.first)]
    held = try_all(todo, sweep.try_point, args.jobs)
    print(f"landings: {held} of {len(todo)} held; what did not is kept in {sweep.folder}")
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
    parser.add_argument("--steered", action="store_true", help="a run that is steered; crash points only")
    parser.add_argument("--watched", action="store_true", help="a run with viewers; crash points only")
    parser.add_argument("--mode", choices=get_args(Mode), default="in-place", help="where they work")
    parser.add_argument("--notified", action="store_true", help="a run with notices; crash points only")
    parser.add_argument("--land", action="store_true", help="`land`, and the gits that it starts")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pitboss-chaos-"))
    if args.land:
        return 0 if landings(LandSweep(folder), args) else 1
    sweep, began = _chosen(folder, args), time.monotonic()
    only = args.only if type(sweep) is Sweep else "crash"
    held = [trouble(sweep, args) for name, trouble in TROUBLES.items() if only in (None, name)]
    print(f"{time.monotonic() - began:.0f} seconds; what did not hold is kept in {folder}")
    return 0 if all(held) else 1


ALONE = {
    "attempts": AttemptsSweep,
    "task": TaskSweep,
    "steered": SteeredSweep,
    "watched": WatchedSweep,
    "notified": NotifiedSweep,
}
"""Sweeps of a run that is nothing else."""


def _chosen(folder: Path, args: argparse.Namespace) -> Sweep:
    for name, kind in ALONE.items():
        if getattr(args, name):
            return kind(folder)
    if args.queue:
        return ParallelQueueSweep(folder) if args.parallel else QueueSweep(folder)
    return ParallelSweep(folder, args.mode) if args.parallel else Sweep(folder)


if __name__ == "__main__":
    sys.exit(main())
