"""Runs `pitboss` under the crash-point shim: counts its state-changing calls, or kills it at one of them."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pitboss import proctree

if TYPE_CHECKING:
    from tests.chaos.scenario import Ended, Place

HERE = Path(__file__).parent
KILLED = 70
NOWHERE = "nowhere"


class Moment(NamedTuple):
    """Right before the call `name` that follows the `nth` call `after` on a file of that name.

    `name` may be several calls, to be waited for in that order. Numbers may move, this does not.
    """

    name: str
    after: str
    file: str
    nth: int = 1


class Shim:
    """The compiled shim, and what one command does under it."""

    def __init__(self, folder: Path) -> None:
        self.library = folder / "crashpoint.so"
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", "-o", self.library, HERE / "crashpoint.c", "-ldl"], check=True
        )

    def count(self, place: Place, *args: str, follow: bool = True) -> int:
        """How many state-changing calls the runner makes (the guardian with `follow` false)."""
        counted = place.root / "count"
        place.pitboss(*args, **self._environment(follow=follow), CRASH_COUNT=str(counted))
        return int(counted.read_text())

    def trace(self, place: Place, *args: str, follow: bool = True) -> list[str]:
        """The calls themselves, one line each."""
        traced = place.root / "trace"
        place.pitboss(*args, **self._environment(follow=follow), CRASH_TRACE=str(traced))
        return traced.read_text().splitlines()

    def crash(self, place: Place, at: int, *args: str, torn: bool = False, follow: bool = True) -> Ended:
        """Kill the runner right before its call number `at`, or half-way through it if it is a write."""
        env = {"CRASH_AT": str(at), "CRASH_TORN": str(int(torn)), "CRASH_MOMENT": str(place.root / "moment")}
        return place.pitboss(*args, **self._environment(follow=follow), **env)

    def crash_at(
        self, place: Place, moment: Moment, *args: str, torn: bool = False, follow: bool = True
    ) -> Ended:
        """Kill the runner at a moment (the guardian with `follow` false)."""
        env = {
            "CRASH_AFTER": f"{moment.after} {moment.file} {moment.nth}",
            "CRASH_CALL": moment.name,
            "CRASH_TORN": str(int(torn)),
            "CRASH_MOMENT": str(place.root / "moment"),
        }
        return place.pitboss(*args, **self._environment(follow=follow), **env)

    def died_at(self, place: Place) -> str:
        """Before which call, on which file, the last process died that was killed here."""
        moment = place.root / "moment"
        return moment.read_text().strip() if moment.exists() else NOWHERE

    def _environment(self, *, follow: bool) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.library), "CRASH_FOLLOW": str(int(follow))}


def runner_of(guardian: int) -> int | None:
    """The guardian's child that is python too; before the fork there is none, only git at times."""
    ours = Path(sys.executable).resolve()
    for child in proctree.children(guardian):
        with contextlib.suppress(OSError):
            if Path(f"/proc/{child}/exe").resolve() == ours:
                return child
    return None
