"""Remembers on which workers sessions failed before their agent worked: the machine may be what is broken (SPEC 14)."""

from __future__ import annotations

DOUBT_S = 60.0
"""Seconds for which others are preferred at first; each time that it happens again, twice as long."""

LONGEST_S = 3600.0


class Doubts:
    """The workers of one run that are doubted, by name. `now` is in seconds of a clock that never jumps."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}
        self._times: dict[str, int] = {}

    def add(self, name: str, now: float) -> bool:
        """A session failed there; returns whether the worker was trusted until now."""
        if now < self._until.get(name, now):
            return False  # sessions that began together fail together
        times = self._times[name] = self._times.get(name, 0) + 1
        self._until[name] = now + min(DOUBT_S * 2.0 ** min(times - 1, 10), LONGEST_S)
        return True

    def current(self, now: float) -> set[str]:
        """The workers that are doubted now."""
        return {name for name, until in self._until.items() if now < until}
