"""What the subagents of a Codex thread used, from the files of their threads; its own totals leave it out (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.codex.rollout import Rollout
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MOST = 1000
"""How many are followed; a thread with more is of unknown cost."""


class Subagents:
    """All subagents that a thread ever had, with theirs, followed as they work."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._threads: dict[str, Rollout] = {}
        self._too_many = False

    @property
    def used(self) -> dict[str | None, Usage]:
        """Their tokens by model, since they began."""
        sums: dict[str | None, Usage] = {}
        for thread in self._threads.values():
            sums[thread.model] = sums.get(thread.model, Usage()) + thread.used
        return {model: used for model, used in sums.items() if used.has_tokens}

    @property
    def uncounted(self) -> bool:
        """Whether there is one of which no file says what it used."""
        return self._too_many or any(not thread.used.has_tokens for thread in self._threads.values())

    def read(self, spawned: Iterable[str]) -> None:
        """Take in what has been written about these threads, and about those that they began."""
        waiting = [*spawned, *self._threads]
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in seen or not self._follows(name):
                continue
            seen.add(name)
            self._threads[name].read(name)
            waiting.extend(self._threads[name].spawned)

    def _follows(self, name: str) -> bool:
        if name not in self._threads and len(self._threads) >= MOST:
            self._too_many = True
            return False
        self._threads.setdefault(name, Rollout(self._env))
        return True
