"""Reads Gemini CLI's stream-json: what it does, what it used, how it ended (SPEC 6).

What the CLI prints, and what follows from it:
- Usage comes only with the `result` line; until then, and for an agent that was stopped, the session's own file has
  it. The usage of a truncated answer is nowhere.
- `output_tokens` leaves the thoughts out; they are what `total_tokens` counts beyond input and output.
- After `--resume` the stats cover this start alone.
- Exit 0 may come with `status: error`, and `status: success` after an `error` line that ended the work (too many turns,
  a loop); an `error` line after which the agent goes on does not count.
- A failed request makes it exit with the HTTP status, of which the system keeps eight bits.
- A retried request repeats its first words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.agents.gemini.failures import complained, failure, refusal
from pitboss.agents.judgement import AgentVerdict, Spend, failed
from pitboss.agents.output.gemini_chat import AT_THE_END, Chat
from pitboss.agents.output.json_values import count, table, word
from pitboss.agents.output.lines import shortened
from pitboss.agents.output.tool_line import tool_line
from pitboss.agents.plain import by_exit_code
from pitboss.agents.reader import JsonReader
from pitboss.core.session import Reason
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.agents.gemini.failures import GeminiFailure
    from pitboss.agents.judgement import AgentExit
    from pitboss.core.agent import AgentEvent, AgentRequest

MESSAGE_LIMIT = 16 * 1024
"""How many of a message's last characters are kept; the answer is at the end."""

SAID_AGAIN = 8
"""If a first piece of at least this many characters comes again, the request was retried."""


class GeminiReader(JsonReader):
    """Reads one `gemini` from first byte to last, in chunks cut anywhere."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._tokens: dict[str | None, Usage] = {}
        self._result: dict[str, Any] = {}
        self._chat = Chat(request.env)
        self._answers = 0
        self._answering = False
        self._complaint: str | None = None
        self._said_at: str | None = None
        self._first_piece = ""
        self._message = ""

    def finish(self) -> Iterator[AgentEvent]:
        """Yield the events of a last line without newline, of a message still open, and of the file."""
        yield from super().finish()
        yield from self._message_ended()
        if not self.finished:
            self._chat.until = AT_THE_END
        yield from self._looked_up()

    @property
    def worked(self) -> bool:
        """False if nothing was said, done or counted."""
        return self._answers > 0 or self.tool_calls > 0 or bool(self._tokens)

    def spend(self) -> Spend:
        """From the result's stats, else the session's file; unreadable if neither counts all answers."""
        uncounted = not self._tokens and self._answers > self._chat.answers
        return Spend(tokens=self._tokens or self._chat.tokens, unreadable=uncounted)

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by the result's status first, then the exit code, then the last complaint."""
        if self._result.get("status") not in (None, "success"):
            error = word(table(self._result, "error"), "message") or self._complaint
            return self._failed(failure(error or "an error without a message", ended))
        if ended.code != 0:
            refused = None if self.finished else refusal(ended) or complained(self._complaint, ended)
            return by_exit_code(ended, "gemini") if refused is None else self._failed(refused)
        if self._complaint is not None:
            return failed(Reason.AGENT_ERROR, shortened(self._complaint))
        if not self.finished:
            return failed(Reason.AGENT_ERROR, "gemini ended without a result line")
        return AgentVerdict()

    def event(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """Yield what `line` says."""
        self._said_at = word(line, "timestamp") or self._said_at
        self._chat.until = max(self._chat.until, self._said_at or "")
        match line.get("type"):
            case "init":
                self.model = word(line, "model") or self.model
                self.session_id = word(line, "session_id") or self.session_id
                self._chat.since = word(line, "timestamp") or ""
                yield self.started()
            case "message" if line.get("role") == "assistant":
                self._spoke(word(line, "content") or "")
                yield from self._looked_up()
            case "tool_use":
                yield from self._tool(line)
            case "tool_result":
                self._complaint = None
                self._answering = False
                self.tool_ended(word(line, "tool_id"))
                yield from self._looked_up()
            case "error":
                self._complaint = word(line, "message") or "an error without a message"
            case "result":
                yield from self._ended(line)

    def _went_on(self) -> None:
        """The model answers: words and tool calls are one answer until its tools have run."""
        self._answers += not self._answering
        self._answering = True
        self._complaint = None

    def _looked_up(self) -> Iterator[AgentEvent]:
        """What is new in the session's file, which is not needed once there are stats."""
        if self._chat.read(self.session_id) and not self._tokens:
            yield self.used()

    def _spoke(self, piece: str) -> None:
        """One piece of a message, or the whole message from the start again."""
        self._went_on()
        if not self._message:
            self._first_piece = piece
        elif piece == self._first_piece and len(piece) >= SAID_AGAIN:
            self._message = ""
        self._message = (self._message + piece)[-MESSAGE_LIMIT:]
        self.text = self._message or self.text
        self.streamed(piece)

    def _message_ended(self) -> Iterator[AgentEvent]:
        if self._message:
            yield self.said(self._message)
        self._message = ""

    def _tool(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        self._went_on()
        yield from self._message_ended()
        yield self.tool_started(
            word(line, "tool_id"), tool_line(word(line, "tool_name"), table(line, "parameters"))
        )
        yield from self._looked_up()

    def _ended(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        yield from self._message_ended()
        self._result = line
        self.finished = True
        self._count(table(line, "stats"))
        yield self.used()

    def _count(self, stats: dict[str, Any]) -> None:
        """The stats by model; whatever only their total counts goes to the requested model."""
        models = table(stats, "models")
        tokens = {name: _tokens(table(models, name)) for name in models}
        rest = _tokens(stats).beyond(sum(tokens.values(), Usage()))
        tokens[self.model or ""] = tokens.get(self.model or "", Usage()) + rest
        for name, used in tokens.items():
            if used.has_tokens:
                self._tokens[name or None] = self._tokens.get(name or None, Usage()).at_least(used)

    def _failed(self, why: GeminiFailure) -> AgentVerdict:
        said_at = word(self._result, "timestamp") or self._said_at
        return failed(why.reason, why.words, resets_at=why.ends_at(said_at))


def _tokens(stats: dict[str, Any]) -> Usage:
    whole_input, answer = count(stats, "input_tokens"), count(stats, "output_tokens")
    thoughts = max(0, count(stats, "total_tokens") - whole_input - answer)
    return Usage(
        input=whole_input, output=answer + thoughts, cache_read=min(whole_input, count(stats, "cached"))
    )
