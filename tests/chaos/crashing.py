"""Kills a run at one point, brings it to its end, and holds the result against the promises."""

from __future__ import annotations

import shutil
import time
from signal import SIGKILL
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.aftermath import Aftermath, look
from tests.chaos.checks import Baseline, processes_of, records_of, violations
from tests.chaos.crash import KILLED, NOWHERE, Shim
from tests.chaos.scenario import HERE, REPEATED, Place, build, copy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.chaos.crash import Moment

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


class Crashed(NamedTuple):
    """Where a run died, what the crashes left in its files, and which processes are left that should not be."""

    moments: str
    found: Sequence[Aftermath] = ()
    left: Sequence[int] = ()


class Sweep:
    """One template and one shim for all points; sessions one after the other."""

    finished = FINISHED
    """Exit code of a run that nothing disturbs."""

    begin: tuple[str, ...] = ("grind",)
    """The command that begins the run."""

    resume: tuple[str, ...] = ("grind", "--resume")
    """The command that goes on with it after a crash."""

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

    def fresh(self, root: Path) -> Place:
        """A copy of the repository in which `begin` is the next command."""
        return copy(self.template, root)

    def undisturbed(self) -> Place:
        """A run in which nothing dies, at its end."""
        place = self.fresh(self.folder / "undisturbed")
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
        place = self.fresh(self.folder / f"traced-{guardian}")
        return self.shim.trace(place, *self.begin, follow=not guardian)

    def judge(self, place: Place, crashes: Sequence[Aftermath]) -> list[str]:
        """What does not hold of a run that came to its end after these crashes."""
        return violations(place, self.baseline, crashes=len(crashes))

    def try_point(self, point: Point) -> list[str]:
        """Crash a fresh copy at `point`, bring it to its end, and return what does not hold."""
        place = self.fresh(self.folder / str(point).replace(" ", "-"))
        wrong = self.tried(place, point)
        if not wrong:
            shutil.rmtree(place.root)
        return wrong

    def tried(self, place: Place, point: Point) -> list[str]:
        """The same in a place of the caller's."""
        return self.brought_to_its_end(place, self.crash(place, point))

    def crash(self, place: Place, point: Point) -> Crashed:
        """Crash the run there at `point`, and perhaps again while resuming."""
        ended = self.shim.crash(place, point.at, *self.begin, torn=point.torn, follow=not point.guardian)
        moments = self.shim.died_at(place)
        if moments == NOWHERE:
            self.missed.append(point)
        left = processes_left(place)
        if left or place.run_id() is None:
            return Crashed(moments, left=left)
        crashes = [look(place)] if ended.code in (KILLED, -SIGKILL) else []
        if point.resume_at is not None and ended.code == KILLED:
            ended = self.shim.crash(place, point.resume_at, *self.resume, torn=point.torn)
            if ended.code == KILLED:
                crashes.append(look(place))
                moments += f", then {self.shim.died_at(place)}"
        return Crashed(moments, crashes)

    def brought_to_its_end(self, place: Place, crashed: Crashed) -> list[str]:
        """What does not hold of a run that was crashed, and is brought to its end now."""
        if crashed.left:
            return [f"processes left after the crash: {crashed.left}"]
        if place.run_id() is None:
            return self.start_again(place)
        return [f"(died before {crashed.moments}) {wrong}" for wrong in self.finish(place, crashed.found)]

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
            ended = place.pitboss(*self.resume)
            if ended.code != self.finished:
                return [f"resume: {ended}"]
        return self.judge(place, crashes)

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
        return self.judge(place, [])


class FencedSweep(Sweep):
    """The same sessions in a sandbox, which dies with the runner: agents can write their tree and the log."""

    def built(self, root: Path) -> Place:
        place = super().built(root)
        place.log.touch()
        config = place.repo / ".pitboss/config.toml"
        seen = f'"~/{place.log.name}", "{HERE}", "{root.parent}/crashpoint.so"'
        config.write_text(f'{config.read_text()}[sandbox]\nmode = "bwrap"\nwritable = [{seen}]\n')
        return place


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
