"""Reads what our Agent Client Protocol client prints: what the agent does, what it used, how it ended (SPEC 6).

What the protocol says, and what follows from it:
- A turn ends with a stop reason, and only `end_turn` is a success; a request that fails ends in an error.
- Words come in pieces, which form one message until the agent does something else.
- Some agents report tokens, at the end of the turn; a cost may come at any time, for the whole session.
  After a resume, what was billed before is subtracted if the totals include it.
- Some say more beside the protocol, which `acp.usage` reads: tokens by model, or of each request.
- OpenCode's tokens at the end of a turn are those of its last step: if it called tools, only its cost counts. That
  leaves out subagents: with one, the cost is unknown.
- Copilot ends its turn as if all were well when its service refuses it: its last message is the error.
- Some say the error first as if it were the agent's own words.
- Gemini tells neither thoughts nor cached input, Qwen Code not every request it makes, but a file of theirs does.
  Without that, the cost is unknown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from pitboss.agents.acp.usage import of_models, of_one
from pitboss.agents.judgement import AgentVerdict, Spend, broke_off, failed
from pitboss.agents.output.json_values import amount, count, number, table, word
from pitboss.agents.output.lines import shortened
from pitboss.agents.plain import by_exit_code
from pitboss.agents.reader import JsonReader
from pitboss.agents.services.failures import service_failure
from pitboss.agents.services.words import meaning
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.session import Reason
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.agents.judgement import AgentExit
    from pitboss.core.agent import AgentRequest

DONE = "end_turn"
UNOFFERED = "Unoffered"
ERRORS_IN_WORDS, ERROR = ("Copilot",), "Error: "
"""Agents that end their turn in good order with an error for a last message, and how that begins."""

AFTER_WORK = ("Error: Failed to get response from the AI model", "Error: Authentication failed with provider")
"""How it begins when it had worked before: then it is no error just because the agent's last word is `Error:`."""

NOT_ITS_WORDS = "[MODE_UPDATE]"
"""How a piece begins with which Gemini notes a mode."""

LAST_STEP_ONLY = ("OpenCode",)
"""Agents whose tokens at the end of a turn are those of its last step."""

TELLS_SOME = ("qwen-code",)
"""Agents that make requests of which they tell nothing."""

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


class OwnCount(Protocol):
    """What an agent's own file says of its tokens; `since` is when the session was opened."""

    since: str
    of_all_turns: bool
    """Whether it counts the turns before a resume too."""

    @property
    def cut(self) -> bool:
        """Whether the last answer broke off, as far as it says."""
        ...

    def at_the_end(self, session_id: str | None) -> dict[str | None, Usage]:
        """The tokens by model; empty if the file does not say."""
        ...


class AcpReader(JsonReader):
    """Reads one turn of an agent behind the protocol, from chunks cut anywhere."""

    def __init__(self, request: AgentRequest, own: OwnCount | None = None) -> None:
        super().__init__(request)
        self._own = own
        self._agent: str | None = None
        self._prompted = False
        self._resumed = False
        self._tokens: dict[str | None, Usage] = {}
        self._partial = self._delegated = False
        self._limit_until: float | None = None
        self._cost_usd: float | None = None
        self._message = ""
        self._stop: str | None = None
        self._error: dict[str, Any] = {}
        self._refused = 0

    def finish(self) -> Iterator[AgentEvent]:
        """Yield what a last line says, a message still open at the end, and what the agent's own file counts."""
        yield from super().finish()
        yield from self._spoken()
        yield from self._looked_up()

    @property
    def worked(self) -> bool:
        """False if nothing was said, done or counted."""
        return bool(self.text) or self.tool_calls > 0 or bool(self._tokens)

    @property
    def _did_something(self) -> bool:
        """Whether anything was done, counted or said that is not the error itself."""
        complaint = self._complaint()
        said = (self.text or "").removeprefix(ERROR).strip()
        return bool(self.tool_calls or self._tokens) or complaint is None or said not in complaint[1]

    def spend(self) -> Spend:
        """What the agent reported for this turn; if it reported nothing, or zeros, it may still have used something."""
        refused = self._complaint() is not None and not self._did_something
        known = bool(self._tokens) or bool(self._cost_usd) or refused or not self._prompted
        partial = self._partial and bool(self._tokens) and self._cost_usd is None
        return Spend(
            tokens=self._tokens,
            reported_usd=self._cost_usd or None,
            unreadable=partial or self._delegated or not known,
        )

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by the reported error, then the stop reason, the exit code, and what was allowed."""
        complaint = self._complaint()
        if complaint is not None:
            data = table(self._error, "data")
            at = amount(data, "resetsAt") or amount(data, "resets_at")
            until = self._limit_until if complaint[0] is Reason.RATE_LIMITED else None
            return failed(*complaint, resets_at=at or until)
        if self._stop is not None and self._stop != DONE:
            return failed(Reason.AGENT_ERROR, STOPS.get(self._stop, f"its turn ended with {self._stop}"))
        if ended.code != 0:
            return by_exit_code(ended, "acp")
        if self._stop is None:
            return failed(Reason.AGENT_ERROR, "the agent ended without ending its turn")
        return self._done_verdict()

    def _done_verdict(self) -> AgentVerdict:
        """The verdict on a turn that ended as if all were well."""
        if self._own is not None and self._own.cut:
            return broke_off()
        if self._refused and self._refused >= self.tool_calls:
            return failed(Reason.PERMISSION_DENIED, "every tool call was refused")
        return AgentVerdict()

    def event(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """Yield what `line` says."""
        match line.get("type"):
            case "session":
                self.session_id = word(line, "id") or self.session_id
                self._resumed = line.get("resumed") is True
                self._agent = word(line, "agent")
                self._partial = self._agent in TELLS_SOME
                if self._own is not None:
                    self._own.since = word(line, "at") or ""
                yield self.started()
            case "prompt":
                self._prompted = True
                self.model = word(line, "model") or self.model
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
        meta = table(update, "_meta")
        if kind == "agent_message_chunk":
            self._hear(word(table(update, "content"), "text") or "")
            yield from self._request(of_one(table(meta, "usage")))
            return
        if kind == "agent_thought_chunk":
            self.streamed(word(table(update, "content"), "text") or "")
            return
        yield from self._spoken()
        if kind == "usage_update":
            self.model = word(meta, "_claude/model") or self.model
            self._limited(table(meta, "_claude/rateLimit"))
            yield from self._cost(table(update, "cost"))
        elif kind in ("tool_call", "tool_call_update"):
            yield from self._tool(update, starts=kind == "tool_call")

    def _hear(self, piece: str) -> None:
        if piece.startswith(NOT_ITS_WORDS):
            return
        self.streamed(piece)
        self._message = (self._message + piece)[-TEXT_LIMIT:]

    def _spoken(self) -> Iterator[AgentEvent]:
        """The message assembled from its pieces so far; only the pieces counted as progress."""
        if self._message:
            self.text, self._message = self._message, ""
            yield AgentEvent(kind=EventKind.TEXT, text=shortened(self.text))

    def _tool(self, update: dict[str, Any], *, starts: bool) -> Iterator[AgentEvent]:
        identity = word(update, "toolCallId")
        if self._agent in LAST_STEP_ONLY and "subagent_type" in table(update, "rawInput"):
            self._delegated = True
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
        found = self._reported(table(line, "usage"), table(table(line, "_meta"), "quota"))
        if found:
            self._tokens = found
            yield self.used()

    def _reported(self, usage: dict[str, Any], quota: dict[str, Any]) -> dict[str | None, Usage]:
        """What the end of the turn tells: by model if it is about this turn alone, else in one sum."""
        if usage and self._agent in LAST_STEP_ONLY and self.tool_calls:
            return {}
        whole, by_model = of_one(usage), of_models(quota)
        self._partial = self._partial or (by_model.partial and not whole.has_tokens)
        tokens = by_model.tokens
        if len(tokens) == 1:
            self.model, whole = next(iter(tokens.items()))
        elif tokens and not (self._resumed and self.billed.has_tokens):
            return tokens
        whole = self._of_this_start(whole)
        return {self.model: whole} if whole.has_tokens else {}

    def _request(self, used: Usage) -> Iterator[AgentEvent]:
        """Count a request that told its tokens as it ended."""
        if used.has_tokens:
            self._tokens = {self.model: self._tokens.get(self.model, Usage()) + used}
            yield self.used()

    def _looked_up(self) -> Iterator[AgentEvent]:
        """The tokens in the agent's own file, unless they are fewer than it told."""
        if self._own is None:
            return
        kept = self._of_this_turn(self._own.at_the_end(self.session_id), from_before=self._own.of_all_turns)
        told, counted = (sum(found.values(), Usage()) for found in (self._tokens, kept))
        if counted.has_tokens and not told.beyond(counted).has_tokens:
            self._tokens, self._partial = kept, False
            yield self.used()

    def _of_this_turn(self, kept: dict[str | None, Usage], *, from_before: bool) -> dict[str | None, Usage]:
        """`kept` without what was billed before; empty if nobody knows which model that was."""
        if not (from_before and self._resumed and self.billed.has_tokens):
            return dict(kept)
        return {model: self._of_this_start(total) for model, total in kept.items() if len(kept) == 1}

    def _limited(self, limit: dict[str, Any]) -> None:
        """Note when a limit that is reached ends."""
        if limit.get("status") == "rejected":
            self._limit_until = amount(limit, "resetsAt")

    def _of_this_start(self, total: Usage) -> Usage:
        """`total` without what was billed before, if it includes that."""
        has_it = self._resumed and not self.billed.beyond(total).has_tokens
        return total.beyond(self.billed) if has_it else total

    def _complaint(self) -> tuple[Reason, str] | None:
        """The error of the turn: reported, or in the last words of an agent that reports none."""
        if self._error:
            return self._named()
        openings = AFTER_WORK if self._tokens else (ERROR,)
        if self._agent not in ERRORS_IN_WORDS or not (self.text or "").startswith(openings):
            return None
        words = (self.text or "").removeprefix(ERROR).strip()
        return service_failure(words=words, cli="acp"), words

    def _named(self) -> tuple[Reason, str]:
        data = table(self._error, "data")
        message = word(self._error, "message") or "error"
        detail = word(data, "message") or word(data, "details") or word(self._error, "data")
        words = message if detail is None else f"{message}: {detail}"
        if word(self._error, "kind") == UNOFFERED:
            return Reason.NOT_FOUND, words
        code, said = number(self._error, "code"), detail or message
        # Some agents use the code for a missing login for all that may go wrong: words go first.
        tells = code is not None and meaning(said, "acp") is None
        codes = (
            f"{code:.0f}" if tells else None,
            *(word(data, key) for key in ("code", "type", "errorKind")),
        )
        status = count(data, "status") or count(data, "statusCode")
        return service_failure(codes=codes, words=said, status=status, cli="acp"), words
