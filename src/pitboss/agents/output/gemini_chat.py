"""Reads Gemini CLI's own file about its session, for what it prints only at its end: usage so far (SPEC 1.5, 6).

`~/.gemini/tmp/PROJECT/chats/session-TIME-ID8.jsonl` grows while a session runs, and again when it is resumed;
ID8 is how the session's identity begins:
- A message from the model is written when its answer is complete, before its tools run, and again with their results.
- Its `output` leaves the thoughts out. An answer that was cut off is not written.
- A subagent has a file of its own, `chats/SESSION/SUBAGENT.jsonl`, and those that it begins are in `chats/SUBAGENT`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.agents.output.json_values import count, table, word
from pitboss.agents.output.session_file import SessionFile, home_of, names_in
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MAIN = "."
KEPT = ("id", "timestamp", "tokens", "model")
MOST_SUBAGENTS = 1000
AT_THE_END = "9"
"""Later than any time on record."""


class Chat:
    """The messages of one start: from `since`, the time of its `init` line, to `until`, that of its last one.

    Later messages wait for a later line. `tokens` are by model, with those of subagents; `answers` is how many messages
    of its own they come from.
    """

    of_all_turns = cut = False

    def __init__(self, env: Mapping[str, str]) -> None:
        self.tokens: dict[str | None, Usage] = {}
        self.answers = 0
        self.since = ""
        self.until = ""
        self._later: list[tuple[str, dict[str, Any]]] = []
        self._last: dict[str, str] = {}
        self._taken = 0
        self._projects = home_of(env, "GEMINI_CLI_HOME", "") / ".gemini" / "tmp"
        self._chats: Path | None = None
        self._file = SessionFile(self._found)
        self._below: dict[str, SessionFile] = {}

    def read(self, session_id: str | None) -> bool:
        """Take in what has been written so far; returns whether there was a message in it."""
        before, lines = self._taken, [*self._later, *self._news(session_id)]
        self._later = []
        for agent, line in lines:
            self._take(agent, line)
        return self._taken > before

    def at_the_end(self, session_id: str | None) -> dict[str | None, Usage]:
        """All tokens from `since` to the end of the file."""
        self.until = AT_THE_END
        self.read(session_id)
        return self.tokens

    def _found(self, session_id: str) -> Path | None:
        path = _find(self._projects, session_id)
        self._chats = None if path is None else path.parent
        return path

    def _news(self, session_id: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
        """New lines, each with the subagent that it is about; its own are about none."""
        for line in self._file.news(session_id):
            yield MAIN, line
        waiting, seen = [session_id or MAIN], set[str]()
        while self._chats is not None and waiting and len(seen) < MOST_SUBAGENTS:
            folder = self._chats / waiting.pop()
            for agent in {name.removesuffix(".jsonl") for name in names_in(folder)} - seen:
                seen.add(agent)
                waiting.append(agent)
                file = self._below.setdefault(agent, _follow(folder / f"{agent}.jsonl"))
                yield from ((agent, line) for line in file.news(agent))

    def _take(self, agent: str, line: dict[str, Any]) -> None:
        identity, used, at = word(line, "id"), _tokens(table(line, "tokens")), word(line, "timestamp") or ""
        if identity in (None, self._last.get(agent)) or at < self.since or not used.has_tokens:
            return
        if at > self.until:
            kept = {key: value for key, value in line.items() if key in KEPT}
            self._later.append((agent, kept))
            return
        self._last[agent] = str(identity)
        self._taken += 1
        self.answers += agent == MAIN
        model = word(line, "model")
        self.tokens[model] = self.tokens.get(model, Usage()) + used


def _tokens(counts: dict[str, Any]) -> Usage:
    return Usage(
        input=count(counts, "input"),
        output=count(counts, "output") + count(counts, "thoughts"),
        cache_read=count(counts, "cached"),
    )


def _follow(path: Path) -> SessionFile:
    return SessionFile(lambda _: path)


def _find(projects: Path, session_id: str) -> Path | None:
    """The session's newest file: its name begins with the time."""
    found = (
        (name, projects / project / "chats" / name)
        for project in names_in(projects)
        for name in names_in(projects / project / "chats")
        if name.startswith("session-") and name.endswith(f"-{session_id[:8]}.jsonl")
    )
    return max(found, default=("", None))[1]
