"""Qwen Code's requests beside the work: switched off, and its own count of all that it made (SPEC 6).

After each turn it asks its model what to remember and what the user may type next, and tells a client of neither. Its
settings can switch that off; those of the machine go before the user's, and may be named by a variable.
As it ends it adds a line to `~/.qwen/usage_record.jsonl`: what all requests of the process used, with those of earlier
turns if it went on with a session. The line has a name of its own, so it is known by its folder and time. A request
still under way then is not in it: hence its count holds only where there are no requests beside the work.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitboss.agents.acp.usage import of_one
from pitboss.agents.output.json_values import amount, count, epoch, table, word
from pitboss.agents.output.session_file import SessionFile, home_of

if TYPE_CHECKING:
    from pitboss.core.agent import AgentRequest
    from pitboss.core.usage import Usage

VARIABLE = "QWEN_CODE_SYSTEM_SETTINGS_PATH"
OF_THE_MACHINE = (
    Path("/etc/qwen-code/settings.json"),
    Path("/Library/Application Support/QwenCode/settings.json"),
)
QUIET = b'{"ui": {"enableFollowupSuggestions": false}, "memory": {"enableManagedAutoMemory": false}}\n'
RECORD = "usage_record.jsonl"
MILLISECONDS = 1000

_WORDS = {
    "inputTokens": "inputTokens",
    "outputTokens": "outputTokens",
    "totalTokens": "totalTokens",
    "cachedReadTokens": "cachedTokens",
    "thoughtTokens": "thoughtsTokens",
}
"""The protocol's words for those of the record."""


def quiet(request: AgentRequest) -> tuple[str, bytes] | None:
    """The settings without requests beside the work, and where they go; None where the machine has some of its own."""
    if request.env.get(VARIABLE) or any(path.exists() for path in OF_THE_MACHINE):
        return None
    return str(Path(request.usage_file).with_suffix(".settings.json")), QUIET


class UsageRecord:
    """The line about the process that opened a session at `since` in `request`'s folder."""

    of_all_turns, cut = True, False

    def __init__(self, request: AgentRequest) -> None:
        self.since = ""
        self._folder = str(Path(request.cwd).resolve())
        path = home_of(request.env, "QWEN_HOME", ".qwen") / RECORD
        self._file = SessionFile(lambda _: path)

    def at_the_end(self, session_id: str | None) -> dict[str | None, Usage]:
        """What it used, by model; empty if there is not exactly one such line."""
        at = epoch(self.since)
        lines = [line for line in self._file.news(session_id) if at is not None and self._is(line, at)]
        return _by_model(table(lines[0], "models")) if len(lines) == 1 else {}

    def _is(self, line: dict[str, Any], at: float) -> bool:
        began, ended = amount(line, "startTime") or 0.0, amount(line, "timestamp") or 0.0
        return word(line, "project") == self._folder and began <= at * MILLISECONDS <= ended


def _by_model(models: dict[str, Any]) -> dict[str | None, Usage]:
    found = {
        name: {ours: count(table(models, name), theirs) for ours, theirs in _WORDS.items()} for name in models
    }
    return {name: used for name, counts in found.items() if (used := of_one(counts)).has_tokens}
