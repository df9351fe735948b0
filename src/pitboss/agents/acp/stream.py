"""Reads what our Agent Client Protocol client prints: what the agent does, what it used, how it ended (SPEC 6).

What the protocol says, and what follows from it:
- A turn ends with a stop reason, and only `end_turn` is a success; a request that fails ends in an error.
- Words come in pieces, which form one message until the agent does something else.
- Some agents report tokens, at the end of the turn; a cost may come at any time, for the whole session.
  After a resume, what was billed before is subtracted if the totals include it.
- Whether input includes cached tokens, and output the thoughts, follows from the total reported with them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.agents.judgement import AgentVerdict, Spend, failed
from pitboss.agents.output.json_values import amount, count, number, table, word
from pitboss.agents.output.lines import shortened
from pitboss.agents.plain import by_exit_code
from pitboss.agents.reader import JsonReader
from pitboss.agents.services.failures import service_failure
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.session import Reason
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.agents.judgement import AgentExit
    from pitboss.core.agent import AgentRequest

DONE = "end_turn"
UNOFFERED = "Unoffered"
OVER = ("completed", "failed")
"""Statuses of a tool call that has ended."""

STOPS = {
    "max_tokens": "its answer was cut off at its token limit",
    "max_turn_requests": "it used up its requests",
    "refusal": "it refused to go on",
    "cancelled": "its turn was cancelled",
}
TEXT_LIMIT = 64 * 1024
"""How many of a message's last characters are kept."""


class AcpReader(JsonReader):
    """Reads one turn of an agent behind the protocol, from chunks cut anywhere."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._prompted = False
        self._resumed = False
        self._tokens: Usage | None = None
        self._cost_usd: float | None = None
        self._message = ""
        self._stop: str | None = None
        self._error: dict[str, Any] = {}
        self._refused = 0

    def finish(self) -> Iterator[AgentEvent]:
        """Yield what a last line says, and a message still open at the end."""
        yield from super().finish()
        yield from self._spoken()

    @property
    def worked(self) -> bool:
        """False if nothing was said, done or counted."""
        return bool(self.text) or self.tool_calls > 0 or (self._tokens or Usage()).has_tokens

    def spend(self) -> Spend:
        """What the agent reported for this turn; if it reported nothing, or zeros, it may still have used something."""
        used = self._tokens or Usage()
        refused = bool(self._error) and not self.worked
        known = used.has_tokens or bool(self._cost_usd) or refused or not self._prompted
        return Spend(
            tokens={self.model: used} if used.has_tokens else {},
            reported_usd=self._cost_usd,
            unreadable=not known,
        )

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by the reported error, then the stop reason, the exit code, and what was allowed."""
        if self._error:
            data = table(self._error, "data")
            at = amount(data, "resetsAt") or amount(data, "resets_at")
            return failed(*self._named(), resets_at=at)
        if self._stop is not None and self._stop != DONE:
            return failed(Reason.AGENT_ERROR, STOPS.get(self._stop, f"its turn ended with {self._stop}"))
        if ended.code != 0:
            return by_exit_code(ended, "acp")
        if self._stop is None:
            return failed(Reason.AGENT_ERROR, "the agent ended without ending its turn")
        if self._refused and self._refused >= self.tool_calls:
            return failed(Reason.PERMISSION_DENIED, "every tool call was refused")
        return AgentVerdict()

    def event(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """Yield what `line` says."""
        match line.get("type"):
            case "session":
                self.session_id = word(line, "id") or self.session_id
                self._resumed = line.get("resumed") is True
                yield self.started()
            case "prompt":
                self._prompted = True
            case "update":
                yield from self._update(table(line, "update"))
            case "refused":
                self._refused += 1
            case "end":
                yield from self._ended(line)
            case "error":
                yield from self._spoken()
                self._error = line
                self.finished = True
                self._open_tools.clear()

    def _update(self, update: dict[str, Any]) -> Iterator[AgentEvent]:
        kind = update.get("sessionUpdate")
        if kind == "agent_message_chunk":
            self._hear(word(table(update, "content"), "text") or "")
            return
        if kind == "agent_thought_chunk":
            self.streamed(word(table(update, "content"), "text") or "")
            return
        yield from self._spoken()
        if kind == "usage_update":
            yield from self._cost(table(update, "cost"))
        elif kind in ("tool_call", "tool_call_update"):
            yield from self._tool(update, starts=kind == "tool_call")

    def _hear(self, piece: str) -> None:
        self.streamed(piece)
        self._message = (self._message + piece)[-TEXT_LIMIT:]

    def _spoken(self) -> Iterator[AgentEvent]:
        """The message assembled from its pieces so far; only the pieces counted as progress."""
        if self._message:
            self.text, self._message = self._message, ""
            yield AgentEvent(kind=EventKind.TEXT, text=shortened(self.text))

    def _tool(self, update: dict[str, Any], *, starts: bool) -> Iterator[AgentEvent]:
        identity = word(update, "toolCallId")
        if starts:
            title = word(update, "title") or word(update, "kind") or "tool"
            yield self.tool_started(identity, shortened(title))
        if update.get("status") in OVER:
            self.tool_ended(identity)

    def _cost(self, cost: dict[str, Any]) -> Iterator[AgentEvent]:
        total = amount(cost, "amount")
        if total is None or cost.get("currency") != "USD":
            return
        before = self.billed.cost_usd if self._resumed and total >= self.billed.cost_usd else 0.0
        self._cost_usd = max(self._cost_usd or 0.0, total - before)
        yield self.used()

    def _ended(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        yield from self._spoken()
        self.finished = True
        self._open_tools.clear()
        self._stop = word(line, "stopReason") or "no reason"
        usage = table(line, "usage")
        if usage:
            self._tokens = self._of_this_start(_tokens(usage))
            yield self.used()

    def _of_this_start(self, total: Usage) -> Usage:
        """`total` without what was billed before, if it includes that."""
        has_it = self._resumed and not self.billed.beyond(total).has_tokens
        return total.beyond(self.billed) if has_it else total

    def _named(self) -> tuple[Reason, str]:
        data = table(self._error, "data")
        message = word(self._error, "message") or "error"
        detail = word(data, "message") or word(data, "details") or word(self._error, "data")
        words = message if detail is None else f"{message}: {detail}"
        if word(self._error, "kind") == UNOFFERED:
            return Reason.NOT_FOUND, words
        code = number(self._error, "code")
        codes = (
            None if code is None else f"{code:.0f}",
            *(word(data, key) for key in ("code", "type", "errorKind")),
        )
        status = count(data, "status") or count(data, "statusCode")
        return service_failure(codes=codes, words=detail or message, status=status, cli="acp"), words


def _tokens(usage: dict[str, Any]) -> Usage:
    read, write = count(usage, "cachedReadTokens"), count(usage, "cachedWriteTokens")
    used, output = count(usage, "inputTokens"), count(usage, "outputTokens")
    thought, total = count(usage, "thoughtTokens"), count(usage, "totalTokens")
    if total >= used + output + read + write:
        used += read + write
    if total >= used + output + thought:
        output += thought
    return Usage(input=max(used, read + write), output=output, cache_read=read, cache_write=write)
