"""Reads Gemini CLI's own file about its session, for what it prints only at its end: usage so far (SPEC 1.5, 6).

`~/.gemini/tmp/PROJECT/chats/session-TIME-ID8.jsonl` grows while a session runs, and again when it is resumed;
ID8 is how the session's identity begins:
- A message from the model is written when its answer is complete, before its tools run, and again with their results.
- Its `output` leaves the thoughts out. An answer that was cut off is not written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.agents.output.json_values import count, table, word
from pitboss.agents.output.session_file import SessionFile, home_of, names_in
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

AT_THE_END = "9"
"""Later than any time on record."""


class Chat:
    """The messages of one start: from `since`, the time of its `init` line, to `until`, that of its last one.

    Later messages wait for a later line. `tokens` are by model; `answers` is how many messages they come from.
    """

    of_all_turns = cut = False

    def __init__(self, env: Mapping[str, str]) -> None:
        self.tokens: dict[str | None, Usage] = {}
        self.answers = 0
        self.since = ""
        self.until = ""
        self._later: list[dict[str, Any]] = []
        self._last = ""
        projects = home_of(env, "GEMINI_CLI_HOME", "") / ".gemini" / "tmp"
        self._file = SessionFile(lambda session_id: _find(projects, session_id))

    def read(self, session_id: str | None) -> bool:
        """Take in what has been written so far; returns whether there was a message in it."""
        before, lines = self.answers, [*self._later, *self._file.news(session_id)]
        self._later = []
        for line in lines:
            self._take(line)
        return self.answers > before

    def at_the_end(self, session_id: str | None) -> dict[str | None, Usage]:
        """All tokens from `since` to the end of the file."""
        self.until = AT_THE_END
        self.read(session_id)
        return self.tokens

    def _take(self, line: dict[str, Any]) -> None:
        identity, used, at = word(line, "id"), _tokens(table(line, "tokens")), word(line, "timestamp") or ""
        if identity in (None, self._last) or at < self.since or not used.has_tokens:
            return
        if at > self.until:
            self._later.append(
                {key: line[key] for key in ("id", "timestamp", "tokens", "model") if key in line}
            )
            return
        self._last = str(identity)
        self.answers += 1
        model = word(line, "model")
        self.tokens[model] = self.tokens.get(model, Usage()) + used


def _tokens(counts: dict[str, Any]) -> Usage:
    return Usage(
        input=count(counts, "input"),
        output=count(counts, "output") + count(counts, "thoughts"),
        cache_read=count(counts, "cached"),
    )


def _find(projects: Path, session_id: str) -> Path | None:
    """The session's newest file: its name begins with the time."""
    found = (
        (name, projects / project / "chats" / name)
        for project in names_in(projects)
        for name in names_in(projects / project / "chats")
        if name.startswith("session-") and name.endswith(f"-{session_id[:8]}.jsonl")
    )
    return max(found, default=("", None))[1]
