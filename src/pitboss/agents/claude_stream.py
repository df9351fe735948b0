"""Reads Claude Code's stream-json: what it does, what it used, how it ended (SPEC 6).

What the CLI prints, and what follows from it:
- One `assistant` line for each content block, each repeating its message's usage: a message counts once.
- The `result` line has the sum and a cost; where it is missing (killed) or tells less than the messages
  did, the messages seen are the bill.
- Exit 0 without a `result` line is no success: something that is not Claude Code, or not all of it, ran.
- A failed request ends in `subtype: success` with `is_error: true`; older versions end what they gave up in a
  `subtype` of `error_...` with `is_error: false`.
- `input_tokens` leaves out cached tokens; ours counts them.
- A run that was ended by its own budget leaves its last message out of `usage`; `modelUsage` has it.
- After `--resume` the cost and `modelUsage` are of the whole session, `usage` of this start.
- `costBasis` other than `list` means that the CLI guessed the price of a model it does not know.
- An agent whose every tool call was denied has done nothing, whatever it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.agents.claude_failures import TOO_MANY_REQUESTS, failure, stderr_failure, told_reset
from pitboss.agents.json_values import amount, count, objects, table, word
from pitboss.agents.judgement import Spend, Verdict, all_denied, failed
from pitboss.agents.plain import by_exit_code
from pitboss.agents.reader import JsonReader
from pitboss.agents.tool_line import tool_line
from pitboss.core.agent import AgentEvent, EventKind, Quota, QuotaWindow
from pitboss.core.session import Reason
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.agents.judgement import Ending
    from pitboss.core.agent import AgentRequest

SYNTHETIC = "<synthetic>"
"""The model name of messages that the CLI wrote itself."""

STREAMED = ("text", "thinking", "partial_json")
"""What may come bit by bit: words, thoughts, the arguments of a tool."""

OPEN_MESSAGES = 64
"""Messages whose usage may still change; more than ever stream at a time, subagents included."""


class ClaudeReader(JsonReader):
    """Reads one `claude -p` from its first byte to its last, cut anywhere."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._ledger = _Ledger()
        self._result: dict[str, Any] = {}
        self._api_failure: dict[str, Any] = {}
        self._resets_at: float | None = None
        self._rejected = False
        self._retried_429 = False
        self._turn: str | None = None
        self._turn_tools: list[str | None] = []

    def spend(self) -> Spend:
        """By the messages seen, and what the result line counts beyond them.

        The result's own cost stands unless it was guessed, or is 0 for tokens that were used.
        """
        tokens = self._ledger.by_model()
        if not self.finished:
            return Spend(tokens=tokens)
        told, seen = _tokens(table(self._result, "usage")), sum(tokens.values(), Usage())
        if seen.input > told.input:
            told = told.at_least(self._models().beyond(self.billed))
        more = told.beyond(seen)
        tokens[self.model] = tokens.get(self.model, Usage()) + more
        cost = self._cost_of_run(told)
        bases = [word(each, "costBasis") for each in table(self._result, "modelUsage").values()]
        guessed = any(basis not in (None, "list") for basis in bases)
        empty = not cost and any(used.has_tokens for used in tokens.values())
        return Spend(tokens=tokens, reported_usd=None if guessed or empty else cost)

    def _cost_of_run(self, told: Usage) -> float | None:
        """The cost of this start alone: `total_cost_usd` of a resumed session has the earlier ones in it.

        It has if `modelUsage`, its other total, counts more than the `told` tokens of this start.
        """
        total = amount(self._result, "total_cost_usd")
        if total is None or not self._models().beyond(told).has_tokens:
            return total
        return max(0.0, total - self.billed.cost_usd)

    def _models(self) -> Usage:
        """The sum of `modelUsage`."""
        models = table(self._result, "modelUsage").values()
        return sum((_model_tokens(each) for each in models if isinstance(each, dict)), Usage())

    def verdict(self, ending: Ending) -> Verdict:
        """By `is_error` first, then the exit code, then whether it finished and was let do anything."""
        if self._result.get("is_error") is True or (word(self._result, "subtype") or "").startswith("error"):
            reason, words = failure(
                self._result,
                self._api_failure,
                retried=self._retried_429,
                rejected=self._rejected,
            )
            limited = reason is Reason.RATE_LIMITED
            return failed(
                reason, words, resets_at=(self._resets_at or told_reset(words)) if limited else None
            )
        if ending.code != 0:
            reason_by_stderr = None if self.finished else stderr_failure(ending.complaints)
            return by_exit_code(ending) if reason_by_stderr is None else failed(*reason_by_stderr)
        if not self.finished:
            seen = any(used.has_tokens for used in self._ledger.by_model().values())
            return failed(Reason.AGENT_ERROR, "claude ended without a result line", cost_known=seen)
        denied = [
            word(denial, "tool_name") or "a tool" for denial in objects(self._result, "permission_denials")
        ]
        return all_denied(denied, self.tool_calls) or Verdict()

    def event(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """Yield what `line` tells."""
        match line.get("type"):
            case "system":
                yield from self._system(line)
            case "assistant":
                yield from self._assistant(line)
            case "user":
                for block in objects(table(line, "message"), "content"):
                    self.tool_ended(word(block, "tool_use_id"))
            case "stream_event":
                yield from self._streamed(table(line, "event"))
            case "rate_limit_event":
                yield from self._rate_limit(table(line, "rate_limit_info"))
            case "result":
                yield from self._ended(line)

    def _system(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        match line.get("subtype"):
            case "init":
                self.model = word(line, "model") or self.model
                self.session_id = word(line, "session_id") or self.session_id
                yield self.started()
            case "api_retry":
                self._retried_429 |= count(line, "error_status") == TOO_MANY_REQUESTS
                attempt = f"attempt {count(line, 'attempt')} of {count(line, 'max_retries')}"
                yield self.retried(f"{word(line, 'error') or 'error'}, {attempt}")

    def _assistant(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        message = table(line, "message")
        if word(line, "error") is not None:
            self._api_failure = line
        if line.get("parent_tool_use_id") is None:
            self._next_turn(word(message, "id"), objects(message, "content"))
        for block in objects(message, "content"):
            yield from self._block(block)
        if self._ledger.saw(message):
            yield self.used()

    def _next_turn(self, identity: str | None, blocks: list[dict[str, Any]]) -> None:
        """The model speaks again only when its tools have ended, also one whose result the CLI never told."""
        if identity != self._turn:
            for each in self._turn_tools:
                self.tool_ended(each)
            self._turn, self._turn_tools = identity, []
        self._turn_tools += [word(block, "id") for block in blocks if block.get("type") == "tool_use"]

    def _block(self, block: dict[str, Any]) -> Iterator[AgentEvent]:
        match block.get("type"):
            case "tool_use":
                yield self.tool_started(
                    word(block, "id"), tool_line(word(block, "name"), table(block, "input"))
                )
            case "text" if text := word(block, "text"):
                yield self.said(text)

    def _streamed(self, event: dict[str, Any]) -> Iterator[AgentEvent]:
        """The true output count of a message: its `assistant` lines are printed before it is known."""
        changed = False
        match event.get("type"):
            case "message_start":
                changed = self._ledger.saw(table(event, "message"))
            case "content_block_delta":
                delta = table(event, "delta")
                self.streamed(next(filter(None, (word(delta, key) for key in STREAMED)), ""))
            case "message_delta":
                changed = self._ledger.wrote(table(event, "usage"))
        if changed:
            yield self.used()

    def _rate_limit(self, info: dict[str, Any]) -> Iterator[AgentEvent]:
        """A subscription's limits, told on healthy runs too."""
        self._rejected = info.get("status") == "rejected"
        if self._rejected:
            self._resets_at = amount(info, "resetsAt")
        windows = table(info, "unifiedWindows")
        if not windows and (only := word(info, "rateLimitType")):
            windows = {only: info}
        quota = Quota(five_hour=_window(windows, "five_hour"), seven_day=_window(windows, "seven_day"))
        if quota != Quota():
            self.quota = quota
            yield AgentEvent(kind=EventKind.QUOTA, quota=quota)

    def _ended(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        self._result = line
        self.finished = True
        self._open_tools.clear()
        self.text = word(line, "result") or self.text
        self.session_id = word(line, "session_id") or self.session_id
        yield self.used()


class _Ledger:
    """The usage of each message once, in memory that does not grow with their number."""

    def __init__(self) -> None:
        self._open: dict[str, tuple[str, Usage]] = {}
        self._closed: dict[str | None, Usage] = {}
        self._streaming = ""

    def saw(self, message: dict[str, Any]) -> bool:
        """Count what `message` says it used; whether that changed anything."""
        identity, model = word(message, "id"), word(message, "model")
        if identity is None or model in (None, SYNTHETIC):
            return False
        self._streaming = identity
        return self._set(identity, str(model), _tokens(table(message, "usage")))

    def wrote(self, usage: dict[str, Any]) -> bool:
        """Count the output tokens of the message that streams; whether that changed anything."""
        if self._streaming not in self._open:
            return False
        model, _ = self._open[self._streaming]
        return self._set(self._streaming, model, Usage(output=count(usage, "output_tokens")))

    def by_model(self) -> dict[str | None, Usage]:
        """The sums so far."""
        sums = dict(self._closed)
        for model, usage in self._open.values():
            sums[model] = sums.get(model, Usage()) + usage
        return sums

    def _set(self, identity: str, model: str, usage: Usage) -> bool:
        had = self._open.get(identity, (model, Usage()))[1]
        now = had.at_least(usage)
        self._open[identity] = (model, now)
        if len(self._open) > OPEN_MESSAGES:
            self._close(next(iter(self._open)))
        return now != had

    def _close(self, identity: str) -> None:
        model, usage = self._open.pop(identity)
        self._closed[model] = self._closed.get(model, Usage()) + usage


def _tokens(usage: dict[str, Any]) -> Usage:
    read, write = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    return Usage(
        input=count(usage, "input_tokens") + read + write,
        output=count(usage, "output_tokens"),
        cache_read=read,
        cache_write=write,
    )


def _model_tokens(total: dict[str, Any]) -> Usage:
    """One entry of `modelUsage`."""
    read, write = count(total, "cacheReadInputTokens"), count(total, "cacheCreationInputTokens")
    return Usage(
        input=count(total, "inputTokens") + read + write,
        output=count(total, "outputTokens"),
        cache_read=read,
        cache_write=write,
    )


def _window(windows: dict[str, Any], name: str) -> QuotaWindow | None:
    window = table(windows, name)
    used = amount(window, "utilization")
    return None if used is None else QuotaWindow(used=used, resets_at=amount(window, "resetsAt"))
