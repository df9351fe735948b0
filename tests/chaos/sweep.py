"""The sweep: kill at every k, or fill the disk there, resume, and hold the result against the promises.

    python -m tests.chaos.sweep [--only crash|full-disk] [--every N] [--jobs N] [--first K]

prints points tried / points that held, and ends with 1 when any did not.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from tests.chaos.checks import Baseline, processes_of, records_of, violations
from tests.chaos.crash import KILLED, Shim
from tests.chaos.full_disk import FullDisk, FullPoint, try_full
from tests.chaos.scenario import REPEATED, Ended, Place, build, copy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FINISHED = 1
"""Exit code of the scenario when it is run to its end: completed, with failed sessions."""

PATIENCE_S = 10.0


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
    """One template and one shim for all points."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = build(folder / "template", repeated=REPEATED)
        self.shim = Shim(folder)
        undisturbed = copy(self.template, folder / "undisturbed")
        ended = undisturbed.pitboss("grind")
        if ended.code != FINISHED:
            raise SystemExit(f"the undisturbed run failed: {ended}")
        self.baseline = Baseline(records_of(undisturbed))
        wrong = violations(undisturbed, self.baseline, crashes=0)
        if wrong:
            raise SystemExit(f"the undisturbed run is wrong: {wrong}")

    def calls(self, *, guardian: bool = False) -> list[str]:
        """The state-changing calls of an undisturbed run."""
        place = copy(self.template, self.folder / f"traced-{guardian}")
        return self.shim.trace(place, "grind", follow=not guardian)

    def try_point(self, point: Point) -> list[str]:
        """Crash a fresh copy at `point`, bring it to its end, and return what does not hold."""
        place = copy(self.template, self.folder / str(point).replace(" ", "-"))
        crashes = 0
        ended = self.shim.crash(place, point.at, "grind", torn=point.torn, follow=not point.guardian)
        crashes += ended.code in (KILLED, -9)
        if left := _processes_left(place):
            return [f"processes left after the crash: {left}"]
        if place.run_id() is None:
            return self._start_again(place)
        if point.resume_at is not None and ended.code == KILLED:
            ended = self.shim.crash(place, point.resume_at, "grind", "--resume", torn=point.torn)
            crashes += ended.code == KILLED
        if _status(place) != "completed":
            ended = place.pitboss("grind", "--resume")
            if not _finished(ended):
                return [f"resume: {ended}"]
        wrong = violations(place, self.baseline, crashes=crashes)
        if not wrong:
            shutil.rmtree(place.root)
        return wrong

    def _start_again(self, place: Place) -> list[str]:
        """The run had not come to be: nothing may be in the way of a new one."""
        ended = place.pitboss("grind", "--resume")
        if ended.code != 4 or "no resumable grind run found" not in ended.stderr:
            return [f"resume of no run: {ended}"]
        ended = place.pitboss("grind")
        branch = place.git("branch", "--show-current")
        stray = [
            b
            for b in place.git("branch", "--format=%(refname:short)").splitlines()
            if b not in ("main", branch)
        ]
        wrong = [] if _finished(ended) else [f"new run: {ended}"]
        for name in stray:
            place.git("branch", "-D", name)  # a branch without a run: made right before the run directory
        wrong += violations(place, self.baseline, crashes=0) if not wrong else []
        if not wrong:
            shutil.rmtree(place.root)
        return wrong


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


def _finished(ended: Ended) -> bool:
    return ended.code == FINISHED


def _status(place: Place) -> str | None:
    import json

    try:
        state = json.loads((place.repo / f".pitboss/grind/runs/{place.run_id()}/state.json").read_text())
    except FileNotFoundError:
        return None
    return str(state["status"])


def _processes_left(place: Place) -> list[int]:
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
    print(f"crash points: {held} of {len(todo)} held")
    return held == len(todo)


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


MODES = {"crash": crash_points, "full-disk": full_disks}


def main() -> int:
    """Sweep, print each point that did not hold, then the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=MODES, help="one kind of trouble; default: both")
    parser.add_argument("--every", type=int, default=1, help="try every N-th point")
    parser.add_argument("--jobs", type=int, default=2, help="points at a time")
    parser.add_argument("--first", type=int, default=1, help="start at this point")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="pitboss-chaos-"))
    sweep, began = Sweep(folder), time.monotonic()
    held = [mode(sweep, args) for name, mode in MODES.items() if args.only in (None, name)]
    print(f"{time.monotonic() - began:.0f} seconds; what did not hold is kept in {folder}")
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
