"""Runs `pitboss` under the crash-point shim: counts its state-changing calls, or kills it at one of them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.chaos.scenario import Ended, Place

HERE = Path(__file__).parent
KILLED = 70


class Call(NamedTuple):
    """One state-changing call: its number, its name, and the path it is about, if any."""

    at: int
    name: str
    path: str

    @property
    def file(self) -> str:
        """The path's last part."""
        return self.path.rpartition("/")[2]

    @classmethod
    def parse(cls, line: str) -> Call:
        """Read a line of a trace."""
        at, name, path = line.split(" ", 2)
        return cls(int(at), name, path.strip())


class Shim:
    """The compiled shim, and what one command does under it."""

    def __init__(self, folder: Path) -> None:
        self._library = folder / "crashpoint.so"
        subprocess.run(
            ["cc", "-O2", "-shared", "-fPIC", "-o", self._library, HERE / "crashpoint.c", "-ldl"], check=True
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
        env = {"CRASH_AT": str(at), "CRASH_TORN": str(int(torn))}
        return place.pitboss(*args, **self._environment(follow=follow), **env)

    def _environment(self, *, follow: bool) -> dict[str, str]:
        return {"LD_PRELOAD": str(self._library), "CRASH_FOLLOW": str(int(follow))}
