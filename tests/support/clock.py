"""Clocks for limits and pauses that are longer than any test: they are over at once, and only when a test says so."""

from __future__ import annotations

import time
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

    import pytest

LOOKS = 3
"""At the first look, output from before the leap may be unread; at the second it has been read, and is judged."""


class LeapingClock:
    """The real clock plus what scripts let pass, for limits that are far longer than any test.

    A slow machine adds seconds, a leap hundreds. `look` is to be the `stop` of whatever runs the script: it is polled
    between reads, so no leap overtakes what the script printed before.
    """

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *modules: ModuleType) -> None:
        self._asked = folder / "clock"
        self._passed = folder / "passed"
        self._monkeypatch = monkeypatch
        self._numbers = count(1)
        self._leapt = 0
        self._looks = 0
        self._ahead_s = 0.0
        self._asked.touch()
        self._passed.touch()
        for module in modules:
            self.rules(module)

    def rules(self, module: ModuleType) -> None:
        """Let `module` tell the time by this clock, whether it imports `time` or only `monotonic`."""
        if hasattr(module, "time"):
            self._monkeypatch.setattr(module, "time", self)
        else:
            self._monkeypatch.setattr(module, "monotonic", self.monotonic)

    def __getattr__(self, name: str) -> object:
        """Everything else that `time` has."""
        return getattr(time, name)

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead_s

    def passes(self, seconds: float) -> str:
        """A script that lets `seconds` pass, and goes on when they have passed.

        It says nothing, not even that a program of its own was terminated.
        """
        number = next(self._numbers)
        wait = f"until grep -qx {number} {self._passed}; do sleep 0.01; done"
        return f"echo {seconds} >>{self._asked}; {{ {wait}; }} 2>/dev/null"

    def leap(self, seconds: float) -> None:
        """Let `seconds` pass."""
        self._ahead_s += seconds

    def look(self) -> None:
        """Leap once the script has asked for it and nothing from before is still to be read."""
        asked = [float(line) for line in self._asked.read_text().splitlines()]
        if len(asked) == self._leapt:
            return
        self._looks += 1
        if self._looks >= LOOKS:
            self._looks = 0
            self.leap(asked[self._leapt])
            self._leapt += 1
            with self._passed.open("a") as passed:
                passed.write(f"{self._leapt}\n")


class NapClock:
    """Stands in for the module `time`: it notes each pause that somebody asks for, and time passes as if they slept."""

    def __init__(self) -> None:
        self.naps: list[float] = []
        self.when_asked: Callable[[], None] = lambda: None
        """Called during each pause."""

    def monotonic(self) -> float:
        """The time, all pauses included."""
        return time.monotonic() + sum(self.naps)

    def sleep(self, seconds: float) -> None:
        """Pause."""
        self.naps.append(seconds)
        self.when_asked()
