"""`pitboss land` killed at any instant, in each of its ways: the branch is where it was, or where it goes (SPEC 11)."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, NamedTuple

from tests.chaos.crash import KILLED, Shim
from tests.chaos.scenario import Place, copy, furnish

if TYPE_CHECKING:
    from pathlib import Path

    from tests.chaos.scenario import Ended

CONFIG = '[agent]\nbackend = "shell"\n'
SCRIPTS = (
    "echo 1 >one; echo 1 >>readme.txt",
    "rm notes.txt; mkdir d; echo 2 >d/two",
    "seq 5000 >three; chmod +x three",
)

WAYS: dict[str, tuple[str, ...]] = {
    "fast-forward": (),
    "merge": (),
    "picks": ("--only", "2-3"),
    "first ones": ("--only", "1-2"),
    "squash": ("--squash",),
    "squashed picks": ("--squash", "--except", "2"),
    "elsewhere": ("--onto", "release"),
    "detached": (),
}
"""Each way to land, and what `land` is given for it."""

_GIT = """#!/bin/sh
n=$(($(cat {count} 2>/dev/null || echo 0) + 1))
echo $n >{count}
[ $n = {nth} ] || exec {git} "$@"
LD_PRELOAD={library} CRASH_AT={at} CRASH_FOLLOW=0 CRASH_TORN={torn} {git} "$@"
kill -9 $PPID
"""
_KILLED_BY_GIT = -9


class LandPoint(NamedTuple):
    """Where `land` dies: before its `at`-th call, or with the `git`-th git it starts, before that one's `at`-th call.

    A write may be `torn`, half of it done. `again` is a call of the second landing, at which that dies too.
    """

    way: str
    at: int
    git: int = 0
    torn: bool = False
    again: int = 0

    def __str__(self) -> str:
        where = f"git {self.git}, call {self.at}" if self.git else f"call {self.at}"
        return f"{self.way}: {where}{' torn' * self.torn}{f', then call {self.again}' * bool(self.again)}"


class LandSweep:
    """One run that is over, and copies of it, each of which is landed, killed, and landed again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shim = Shim(folder)
        self.grounds = {way: folder / way.replace(" ", "-") for way in WAYS}
        template = _ground(folder / "template")
        for way, root in self.grounds.items():
            _prepared(copy(template, root), way)
        self.landed = {way: self._landed(way) for way in WAYS}

    def points(self, way: str, *, every: int = 1, first: int = 1) -> list[LandPoint]:
        """Every `every`-th point of one way, from `first` on: each call of land, each call of each git it starts."""
        calls = self.shim.trace(self._fresh(way, "traced"), "land", *WAYS[way], follow=False)
        found = []
        for at, call in enumerate(calls, 1):
            found.append(LandPoint(way, at))
            found += [LandPoint(way, at, torn=True)] if call.split()[1] == "write" else []
            found += [LandPoint(way, at, again=at // 2)] if at % 4 == 0 else []
        for nth, count in enumerate(self._calls_of_gits(way), 1):
            found += [LandPoint(way, at, git=nth) for at in range(1, count + 2)]
            found += [LandPoint(way, count // 2, git=nth, torn=True)] if count > 1 else []
        return found[first - 1 :: every]

    def try_point(self, point: LandPoint) -> list[str]:
        """Land a copy, kill that at `point`, land again; returns what does not hold."""
        place = self._fresh(point.way, str(point).replace(" ", "-").replace(",", "").replace(":", ""))
        target = "release" if point.way == "elsewhere" else "main"
        before = place.git("rev-parse", target)
        killed = self._killed(place, point)
        wrong = [f"was not killed: {killed}"] if killed.code not in (KILLED, _KILLED_BY_GIT, 0) else []
        now = place.git("rev-parse", target)
        if now != before and place.git("rev-parse", f"{now}^{{tree}}") != self.landed[point.way]:
            wrong.append(f"{target} is neither where it was nor where it goes")
        if now == before and (dirt := place.git("status", "--porcelain")):
            wrong.append(f"nothing has landed, but the tree has changed: {dirt}")
        if point.again:
            self.shim.crash(place, point.again, "land", *WAYS[point.way], follow=False)
        wrong += self._wrong_at_the_end(place, point.way, target)
        if not wrong:
            shutil.rmtree(place.root)
        return wrong

    def _wrong_at_the_end(self, place: Place, way: str, target: str) -> list[str]:
        again = place.pitboss("land", *WAYS[way])
        if again.code != 0:
            return [f"the next landing: {again}"]
        wrong = []
        if place.git("rev-parse", f"{target}^{{tree}}") != self.landed[way]:
            wrong.append(f"{target} is not where it goes after the next landing")
        if dirt := place.git("status", "--porcelain"):
            wrong.append(f"the tree is not clean after the next landing: {dirt}")
        if not place.pitboss("land", *WAYS[way]).stdout.startswith("nothing to land"):
            wrong.append("a third landing finds something to land")
        if broken := place.git("fsck", "--strict", "--no-dangling"):
            wrong.append(f"git fsck: {broken}")
        # A git that is killed leaves its temporary files in any program's hands; locks and notes would be in the way.
        folder = place.repo / ".git"
        left = [str(path) for path in folder.rglob("*.lock") if path.name != "grind.lock"]
        left += [str(path) for path in place.repo.glob(".pitboss/grind/runs/*/switch")]
        return [*wrong, *(f"left behind: {path}" for path in left)]

    def _killed(self, place: Place, point: LandPoint) -> Ended:
        given = WAYS[point.way]
        if not point.git:
            return self.shim.crash(place, point.at, "land", *given, torn=point.torn, follow=False)
        return self._with_git(place, point, *given)

    def _with_git(self, place: Place, point: LandPoint, *given: str) -> Ended:
        """Land with a git that dies at that point, and takes `land` with it."""
        git, wrapper = shutil.which("git"), place.root / "bin" / "git"
        wrapper.parent.mkdir()
        wrapper.write_text(
            _GIT.format(
                count=place.root / "gits",
                nth=point.git,
                at=point.at,
                torn=int(point.torn),
                git=git,
                library=self.shim.library,
            )
        )
        wrapper.chmod(0o755)
        return place.pitboss("land", *given, PATH=f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}")

    def _calls_of_gits(self, way: str) -> list[int]:
        """How many state-changing calls each git makes that a landing starts."""
        place = self._fresh(way, "counted")
        counts, git = place.root / "counts", shutil.which("git")
        counts.mkdir()
        wrapper = place.root / "bin" / "git"
        wrapper.parent.mkdir()
        wrapper.write_text(
            f"#!/bin/sh\nn=$(($(ls {counts} | wc -l) + 1))\n: >{counts}/$n\n"
            f'LD_PRELOAD={self.shim.library} CRASH_COUNT={counts}/$n CRASH_FOLLOW=0 exec {git} "$@"\n'
        )
        wrapper.chmod(0o755)
        path = f"{wrapper.parent}{os.pathsep}{os.environ['PATH']}"
        assert place.pitboss("land", *WAYS[way], PATH=path).code == 0
        numbers = range(1, len(list(counts.iterdir())) + 1)
        found = [int((counts / str(n)).read_text() or 0) for n in numbers]
        shutil.rmtree(place.root)
        return found

    def _landed(self, way: str) -> str:
        """The tree of the target once everything has landed."""
        place = self._fresh(way, "undisturbed")
        assert place.pitboss("land", *WAYS[way]).code == 0
        tree = place.git("rev-parse", f"{'release' if way == 'elsewhere' else 'main'}^{{tree}}")
        shutil.rmtree(place.root)
        return tree

    def _fresh(self, way: str, name: str) -> Place:
        root = self.folder / f"{way}-{name}".replace(" ", "-")
        shutil.rmtree(root, ignore_errors=True)
        return copy(Place(self.grounds[way]), root)


def _ground(root: Path) -> Place:
    """A repository after a run of three sessions."""
    place = furnish(Place(root), {}, CONFIG)
    (place.repo / "notes.txt").write_text("notes\n")
    place.git("add", "-A")
    place.git("-c", "user.name=user", "-c", "user.email=user@local", "commit", "-qm", "notes")
    for nth, script in enumerate(SCRIPTS, 1):
        front = f"---\nname: p{nth}\ndescription: p{nth}\nmax_runs: 1\n---\n"
        (place.repo / f".pitboss/grind/prompts/p{nth}.md").write_text(f"{front}```sh\n{script}\n```\n")
    ended = place.pitboss("grind")
    if ended.code != 0:
        raise SystemExit(f"the run to land failed: {ended}")
    return place


def _prepared(place: Place, way: str) -> None:
    if way in ("merge", "squash"):
        (place.repo / "mine.txt").write_text("mine\n")
        place.git("add", "-A")
        place.git("-c", "user.name=user", "-c", "user.email=user@local", "commit", "-qm", "mine")
    if way == "elsewhere":
        place.git("branch", "release")
    if way == "detached":
        place.git("checkout", "-q", "--detach")
