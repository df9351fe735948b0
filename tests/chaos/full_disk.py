"""A disk that fills up at the k-th call that needs space: pitboss says so, stops, and goes on when it may."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.checks import Baseline, processes_of, violations
from tests.chaos.scenario import Place, copy

if TYPE_CHECKING:
    from tests.chaos.scenario import Ended

HERE = Path(__file__).parent
FINISHED = 1
REASON = "No space left on device"


class FullDisk:
    """The compiled shim, and what one command does on a disk that fills up under it."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "failpoint.so"
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", "-o", self._library, HERE / "failpoint.c", "-ldl"], check=True
        )

    def count(self, place: Place, *args: str) -> int:
        """How many calls of the command and its git need space."""
        self.run(place, 0, *args)
        return int(struct.unpack("ll", self._page(place).read_bytes())[0])

    def run(self, place: Place, at: int, *args: str, lasting: int = 0, only: str = "") -> Ended:
        """Run a command while the disk is full from call `at` on, for `lasting` failures (0 = for good).

        With `only`, just the calls of programs that have such an argument are counted, and fail.
        """
        self._page(place).unlink(missing_ok=True)
        env = {
            "LD_PRELOAD": str(self._library),
            "FAIL_AT": str(at),
            "FAIL_FOR": str(lasting),
            "FAIL_UNDER": str(place.repo),
            "FAIL_PAGE": str(self._page(place)),
            "FAIL_ONLY": only,
        }
        return place.pitboss(*args, **env)

    def _page(self, place: Place) -> Path:
        return place.root / "page"


class FullPoint(NamedTuple):
    """From which call on the disk is full, and for how many calls (0 = until somebody frees space)."""

    at: int
    lasting: int = 0

    def __str__(self) -> str:
        return f"full disk {self.at} " + (f"for {self.lasting}" if self.lasting else "for good")


def try_full(
    disk: FullDisk, template: Place, folder: Path, baseline: Baseline, point: FullPoint
) -> list[str]:
    """Fill the disk at `point`, free space, bring the run to its end, and return what does not hold."""
    place = copy(template, folder / str(point).replace(" ", "-"))
    ended = disk.run(place, point.at, "grind", lasting=point.lasting)
    wrong = complaints(ended, place) or settle(place, baseline)
    if not wrong:
        shutil.rmtree(place.root)
    return wrong


def complaints(ended: Ended, place: Place) -> list[str]:
    """What is wrong with how a command met the full disk; a run that came to its end all the same is fine."""
    if ended.code == FINISHED and status_of(place) == "completed":
        return []
    found = [f"processes left: {left}" for left in [processes_of(place)] if left]
    lines = ended.stderr.splitlines()
    error = next((line for line in lines if line.startswith("error: ")), "")
    if ended.code not in ((70,) if place.run_id() else (4, 70)):
        found.append(f"exit code {ended.code}")
    hinted = any(line.startswith("hint: ") and "disk" in line for line in lines)
    said = (REASON, "error: git ", "error: the disk is full")  # git does not always know why itself
    if not hinted or not any(words in error for words in said):
        found.append("does not say that the disk is full and what to do")
    if "Traceback" in ended.stderr or "this is a bug" in ended.stderr:
        found.append("takes it for a bug")
    return [f"{what}: {ended}" for what in found]


def settle(place: Place, baseline: Baseline) -> list[str]:
    """There is space again: repair and resume as the messages say, and return what does not hold."""
    if place.run_id() is None:
        place.log.unlink(missing_ok=True)
        ended = place.pitboss("grind")
        known = {"main", f"pitboss/grind/{place.run_id()}"}
        for name in set(place.git("branch", "--format=%(refname:short)").split()) - known:
            place.git("branch", "-D", name)  # a branch without a run
    if status_of(place) == "failed":
        ended = place.pitboss("repair", str(place.run_id()))
        if ended.code != 0:
            return [f"repair: {ended}"]
    if status_of(place) != "completed":
        ended = place.pitboss("grind", "--resume", "--max-iterations", "none")
        if ended.code not in (0, FINISHED):
            return [f"resume: {ended}"]
    return violations(place, baseline, crashes=1)


def status_of(place: Place) -> str | None:
    """The run's status; None when there is no run."""
    if place.run_id() is None:
        return None
    state = json.loads((place.repo / f".pitboss/grind/runs/{place.run_id()}/state.json").read_bytes())
    return str(state["status"])
