"""Classifies Qwen Code's failures by its words, and finds those it keeps to itself (SPEC 6).

It retries a request refused with 429 or 503 for hours, and prints no reason. Its session's file has the reasons:
`QWEN_DIR/projects/PROJECT/chats/SESSION.jsonl` gets a line for each request, refused or answered.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from pitboss.agents.output.json_values import count, table, word
from pitboss.agents.output.session_file import SessionFile, home_of, names_in
from pitboss.agents.services.failures import UNMENDED, service_failure
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pitboss.core.session import Reason

API_ERROR = lazy_pattern(r"\[API Error: (?:(\d{3}) )?(.*)\]\s*\Z", re.DOTALL)

ENOUGH = 2
"""This many refusals of one kind in a row are no accident."""


def failure(said: str) -> tuple[Reason, str]:
    """Reason and words for what a result line gives as the error."""
    wrapped = API_ERROR.search(said)
    words, status = (said, 0) if wrapped is None else (wrapped[2], int(wrapped[1] or 0))
    return service_failure(words=words, status=status, cli="qwen"), words


class Refusals:
    """One start's refused requests since the last answered one; `words` are the latest refusal's."""

    def __init__(self, env: Mapping[str, str], resumed: str | None) -> None:
        folder = home_of(env, "QWEN_RUNTIME_DIR" if env.get("QWEN_RUNTIME_DIR") else "QWEN_HOME", ".qwen")
        self._file = SessionFile(lambda session_id: _find(folder / "projects", session_id))
        self._last: Reason | None = None
        self._in_a_row = 0
        self.words = ""
        if resumed is not None:
            self._file.skip(resumed)

    def hopeless(self, session_id: str | None) -> tuple[Reason, str] | None:
        """Why its requests are hopeless, in the service's words, going by the file; None while there is hope."""
        for line in self._file.news(session_id):
            self._take(table(table(line, "systemPayload"), "uiEvent"))
        if self._last in UNMENDED and self._in_a_row >= ENOUGH:
            return self._last, self.words
        return None

    def _take(self, event: dict[str, Any]) -> None:
        match word(event, "event.name"):
            case "qwen-code.api_response":
                self._last, self._in_a_row, self.words = None, 0, ""
            case "qwen-code.api_error":
                status = count(event, "status_code")
                self.words = (word(event, "error_message") or "").removeprefix(f"{status} ")
                reason = service_failure(words=self.words, status=status, cli="qwen")
                self._in_a_row = self._in_a_row + 1 if reason is self._last else 1
                self._last = reason


def _find(projects: Path, session_id: str) -> Path | None:
    name = f"{session_id}.jsonl"
    folders = (projects / project / "chats" for project in names_in(projects))
    return next((folder / name for folder in folders if "/" not in name and (folder / name).exists()), None)
