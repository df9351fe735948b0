"""Reads aider's analytics log, the only exact account of what it used (SPEC 6)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.output.json_values import amount, count, table
from pitboss.agents.output.lines import JsonLines
from pitboss.core.usage import Usage, add_usd
from pitboss.store.opening import open_regular

if TYPE_CHECKING:
    from typing import Any

ANSWER = "message_send"
CHUNK = 64 * 1024


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """The answers so far: how many, their tokens, and their cost if each of them had a price."""

    answers: int = 0
    used: Usage = Usage()
    cost_usd: float | None = 0.0


class AiderLog:
    """One start's `--analytics-log`, read from where the last reading ended."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._offset = 0
        self._lines = JsonLines()
        self._seen = Logged()

    def read(self) -> Logged:
        """What the log says so far; a missing or unreadable log says nothing new."""
        try:
            with open_regular(self._path) as log:
                log.seek(self._offset)
                while chunk := log.read(CHUNK):
                    self._offset += len(chunk)
                    for line in self._lines.feed(chunk):
                        self._take(line)
        except OSError:
            pass
        return self._seen

    def _take(self, line: dict[str, Any]) -> None:
        if line.get("event") != ANSWER:
            return
        properties = table(line, "properties")
        used = Usage(input=count(properties, "prompt_tokens"), output=count(properties, "completion_tokens"))
        cost = amount(properties, "cost")
        free = not cost and used.has_tokens
        before = self._seen.cost_usd
        self._seen = Logged(
            answers=self._seen.answers + 1,
            used=self._seen.used + used,
            cost_usd=None if free or before is None else add_usd(before, cost or 0.0),
        )
