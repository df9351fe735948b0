"""Reads Kimi Code's stream-json: what it does, and how it ended (SPEC 6).

What the CLI prints, and what follows from it:
- A message of the model with its tool calls, then the result of each. Its last line says how to resume the session.
- Each retry, with what the service answered. It asks up to ten times: for a limit of hours that is no use.
- Why it failed is on stderr, before a line that names its log.
- It never says what it used, and takes an answer that ends early without an error for a whole one. Both are in files
  of its own. Until its last line names the session, they are found by folder, and by a tool call.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitboss.agents.judgement import AgentVerdict, Spend, broke_off, failed
from pitboss.agents.output.json_values import amount, count, object_in, objects, table, word
from pitboss.agents.output.kimi_wire import KimiWire
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
        self._folder = str(Path(request.cwd).resolve())
        self._wire = KimiWire(request.env)
        self._calls: set[str] = set()
        self._refused: list[tuple[Reason, str]] = []

    @property
    def worked(self) -> bool:
        """False if the model never answered."""
        return self._answered

    def finish(self) -> Iterator[AgentEvent]:
        """Yield what a last line says, and what its files count in the end."""
        yield from super().finish()
        yield from self._looked_up()

    def spend(self) -> Spend:
        """What its files count; unknown without them, and with an answer that they do not count."""
        if not self._answered:
            return Spend()
        tokens = self._wire.tokens
        return Spend(tokens=tokens, unreadable=not tokens or self._wire.uncounted)

    def hopeless(self) -> AgentVerdict | None:
        """Judge by requests refused in a row for a limit or a bill."""
        last = self._refused[-ENOUGH:]
        if len(last) < ENOUGH or last[-1][0] not in UNMENDED or len({reason for reason, _ in last}) > 1:
            return super().hopeless()
        return failed(*last[-1])

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by the exit code and what stderr says, then by whether it came to its last line."""
        if ended.code != 0:
            return _complaint(ended) or by_exit_code(ended, "kimi")
        if not self.finished:
            return failed(Reason.AGENT_ERROR, "kimi ended without its last line")
        if self._wire.cut:
            return broke_off()
        return AgentVerdict()

    def event(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """Yield what `line` says."""
        match line.get("role"):
            case "assistant":
                yield from self._said(line)
                yield from self._looked_up()
            case "tool":
                self.tool_ended(word(line, "tool_call_id"))
                yield from self._looked_up()
            case "meta":
                yield from self._meta(line)

    def _said(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        self._answered, self._refused = True, []
        if text := word(line, "content"):
            yield self.said(text)
        for call in objects(line, "tool_calls"):
            function = table(call, "function")
            shown = tool_line(word(function, "name"), object_in(word(function, "arguments")))
            self._calls.add(word(call, "id") or "")
            yield self.tool_started(word(call, "id"), shown)

    def _looked_up(self) -> Iterator[AgentEvent]:
        """What its files say by now, once the model has answered; before that, they are about an earlier start."""
        if self._answered and self.session_id is None:
            self.named(self._wire.newest_in(self._folder, self._calls - {""}))
        if self._answered and self._wire.read(self.session_id):
            self.model = next(iter(self._wire.tokens), self.model)
            yield self.used()

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
