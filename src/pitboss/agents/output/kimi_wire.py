"""Reads the files that Kimi Code keeps about a session, for what it never prints: usage, and answers cut off (SPEC 6).

`~/.kimi-code/sessions/FOLDER/SESSION/agents/AGENT/wire.jsonl` grows while a session runs, one file for the main agent
and one for each subagent; `session_index.jsonl` says where each session works:
- Each answer adds what it used. `model` there is the user's name for a model; the request before it has the real one.
- Each start adds one prompt of the user's, so what follows the last one is what this start used.
- An answer that ended early has no reason to finish and, as the counts come last, has used nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.agents.output.json_values import amount, count, epoch, table, word
from pitboss.agents.output.session_file import SessionFile, home_of, names_in
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Container, Mapping
    from pathlib import Path

MAIN = "main"
WIRE = "wire.jsonl"


class KimiAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer used, and when it was complete, in milliseconds since 1970."""

    at_ms: float
    model: str | None
    used: Usage


class KimiWire:
    """What the last prompt of a session used so far, with its subagents, but for what was used before `since`."""

    of_all_turns = False

    def __init__(self, env: Mapping[str, str]) -> None:
        home = home_of(env, "KIMI_CODE_HOME", ".kimi-code")
        self.since = ""
        self._sessions = home / "sessions"
        self._index = home / "session_index.jsonl"
        self._folder: Path | None = None
        self._files: dict[str, SessionFile] = {}
        self._answers: list[KimiAnswer] = []
        self._models: dict[str, str] = {}
        self._calls: set[str] = set()
        self._prompted_ms = 0.0
        self._cut = False

    @property
    def tokens(self) -> dict[str | None, Usage]:
        """The tokens since the last prompt, by model."""
        sums: dict[str | None, Usage] = {}
        for answer in self._of_this_prompt():
            model = self._models.get(answer.model or "", answer.model)
            sums[model] = sums.get(model, Usage()) + answer.used
        return {model: used for model, used in sums.items() if used.has_tokens}

    @property
    def uncounted(self) -> bool:
        """Whether there is an answer that nobody counted."""
        return any(not answer.used.has_tokens for answer in self._of_this_prompt())

    @property
    def cut(self) -> bool:
        """Whether the last answer of the main agent broke off."""
        return self._cut and self.uncounted

    def at_the_end(self, session_id: str | None) -> dict[str | None, Usage]:
        """All tokens of the last prompt; empty if some were not counted."""
        self.read(session_id)
        return {} if self.uncounted else self.tokens

    def read(self, session_id: str | None) -> bool:
        """Take in what was written so far; returns whether an answer was in it."""
        before = len(self._answers)
        if self._folder is None and session_id is not None:
            self._folder = self._placed(session_id)
        if self._folder is not None:
            for agent in names_in(self._folder / "agents"):
                self._follow(agent, self._folder)
        return len(self._answers) > before

    def newest_in(self, cwd: str, calls: Container[str]) -> str | None:
        """The session that was last begun in `cwd`, if it made one of these tool calls; None if it did not."""
        lines = SessionFile(lambda _: self._index).news("")
        names = [word(line, "sessionId") for line in lines if word(line, "workDir") == cwd]
        if not names or names[-1] is None:
            return None
        other = KimiWire({})
        other._folder = self._placed(names[-1])
        other.read(None)
        return names[-1] if any(call in calls for call in other._calls) else None

    def _placed(self, session_id: str) -> Path | None:
        folders = (self._sessions / name / session_id for name in names_in(self._sessions))
        return next((folder for folder in folders if folder.is_dir()), None)

    def _follow(self, agent: str, folder: Path) -> None:
        path = folder / "agents" / agent / WIRE
        file = self._files.setdefault(agent, SessionFile(lambda _: path))
        for line in file.news(""):
            self._take(line, main=agent == MAIN)

    def _take(self, line: dict[str, Any], *, main: bool) -> None:
        match line.get("type"):
            case "turn.prompt" if main and table(line, "origin").get("kind") == "user":
                self._prompted_ms, self._cut = amount(line, "time") or 0.0, False
            case "llm.request":
                self._models[word(line, "modelAlias") or ""] = word(line, "model") or ""
            case "usage.record":
                self._answers.append(_answered(line))
            case "context.append_loop_event":
                self._calls.add(word(table(line, "event"), "toolCallId") or "")
            case "agent.message.appended" if main:
                self._ended(table(table(line, "message"), "meta"))

    def _ended(self, meta: dict[str, Any]) -> None:
        if meta.get("source") == "llm":
            self._cut = "finish" in meta and word(table(meta, "finish"), "rawFinishReason") is None

    def _of_this_prompt(self) -> list[KimiAnswer]:
        began = max(self._prompted_ms, 1000 * (epoch(self.since) or 0.0))
        return [answer for answer in self._answers if answer.at_ms >= began]


def _answered(line: dict[str, Any]) -> KimiAnswer:
    counts = table(line, "usage")
    read, written = count(counts, "inputCacheRead"), count(counts, "inputCacheCreation")
    used = Usage(
        input=count(counts, "inputOther") + read + written,
        output=count(counts, "output"),
        cache_read=read,
        cache_write=written,
    )
    return KimiAnswer(at_ms=amount(line, "time") or 0.0, model=word(line, "model"), used=used)
