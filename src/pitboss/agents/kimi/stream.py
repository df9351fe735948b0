"""Reads Kimi Code's stream-json: what it does, and how it ended; it never says what it used (SPEC 6).

What the CLI prints, and what follows from it:
- A message of the model with its tool calls, then the result of each. Its last line says how to resume the session.
- Each retry, with what the service answered. It asks up to ten times: for a limit of hours that is no use.
- Why it failed is on stderr, before a line that names its log.
- An answer that ends early without an error is taken for a whole one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.agents.judgement import AgentVerdict, Spend, failed
from pitboss.agents.output.json_values import amount, count, objects, table, word
from pitboss.agents.output.tool_line import tool_line
from pitboss.agents.plain import by_exit_code
from pitboss.agents.reader import JsonReader
from pitboss.agents.services.failures import UNMENDED, service_failure
from pitboss.core.patterns import lazy_pattern
from pitboss.core.session import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.agents.judgement import AgentExit
    from pitboss.core.agent import AgentEvent, AgentRequest

FAILED = lazy_pattern(r"error: failed to run prompt: (?:([a-z_]+\.[a-z_]+): )?(.+)")
MILLISECONDS = 1000

ENOUGH = 2
"""This many refusals of one kind in a row are no accident."""


class KimiReader(JsonReader):
    """Reads one `kimi` from first byte to last, in chunks cut anywhere."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._answered = False
        self._refused: list[tuple[Reason, str]] = []

    @property
    def worked(self) -> bool:
        """False if the model never answered."""
        return self._answered

    def spend(self) -> Spend:
        """Nothing is reported; what answers cost is unknown."""
        return Spend(unreadable=self._answered)

    def hopeless(self) -> AgentVerdict | None:
        """Judge by requests refused in a row for a limit or a bill."""
        last = self._refused[-ENOUGH:]
        if len(last) < ENOUGH or last[-1][0] not in UNMENDED or len({reason for reason, _ in last}) > 1:
            return None
        return failed(*last[-1])

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by the exit code and what stderr says, then by whether it came to its last line."""
        if ended.code != 0:
            return _complaint(ended) or by_exit_code(ended, "kimi")
        if not self.finished:
            return failed(Reason.AGENT_ERROR, "kimi ended without its last line")
        return AgentVerdict()

    def event(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """Yield what `line` says."""
        match line.get("role"):
            case "assistant":
                yield from self._said(line)
            case "tool":
                self.tool_ended(word(line, "tool_call_id"))
            case "meta":
                yield from self._meta(line)

    def _said(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        self._answered, self._refused = True, []
        if text := word(line, "content"):
            yield self.said(text)
        for call in objects(line, "tool_calls"):
            function = table(call, "function")
            shown = tool_line(word(function, "name"), _arguments(word(function, "arguments")))
            yield self.tool_started(word(call, "id"), shown)

    def _meta(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        match line.get("type"):
            case "system.version":
                yield self.started()
            case "turn.step.retrying":
                yield self._retrying(line)
            case "session.resume_hint":
                self.named(word(line, "session_id"))
                self.finished = True
                self._open_tools.clear()

    def _retrying(self, line: dict[str, Any]) -> AgentEvent:
        words = word(line, "error_message") or "the request failed"
        status = count(line, "status_code")
        said = words.removeprefix(f"{status} ")
        reason = service_failure(codes=(word(line, "error_name"),), words=said, status=status, cli="kimi")
        self._refused = [*self._refused[1 - ENOUGH :], (reason, said)]
        pause_s = (amount(line, "delay_ms") or 0.0) / MILLISECONDS
        return self.retried(f"{words}, attempt {count(line, 'failed_attempt')}", pause_s=pause_s)


def _complaint(ended: AgentExit) -> AgentVerdict | None:
    found = FAILED.search(ended.complaints.decode("utf-8", "replace"))
    if found is None:
        return None
    return failed(service_failure(codes=(found[1],), words=found[2], cli="kimi"), found[2])


def _arguments(text: str | None) -> dict[str, Any]:
    """The object in `text`; empty if it is something else."""
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError):
        return {}
