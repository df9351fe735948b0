"""Reads Claude Code's stream-json: what it does, what it used, how it ended (SPEC 6).

What the CLI prints, and what follows from it:
- One `assistant` line for each content block, each repeating its message's usage: a message counts once.
- The `result` line has the sum and a cost; where it is missing (killed) or tells less than the messages
  did, the messages seen are the bill.
- Exit 0 without a `result` line is no success: something that is not Claude Code, or not all of it, ran.
- A failed request ends in `subtype: success` with `is_error: true`; only the latter is a verdict.
- `input_tokens` leaves out cached tokens; ours counts them.
- `costBasis` other than `list` means that the CLI guessed the price of a model it does not know.
- An agent whose every tool call was denied has done nothing, whatever it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.agents.backend import Spend, Verdict
from pitboss.agents.claude_failures import failure, stderr_failure
from pitboss.agents.json_values import amount, count, number, objects, table, word
from pitboss.agents.lines import JsonLines, shortened
from pitboss.agents.plain import by_exit_code
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.session import Reason, SessionStatus
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pitboss.agents.backend import Ending

SYNTHETIC = "<synthetic>"
"""The model name of messages that the CLI wrote itself."""

OPEN_MESSAGES = 64
"""Messages whose usage may still change; more than ever stream at a time, subagents included."""


class ClaudeReader:
    """Reads one `claude -p` from its first byte to its last, cut anywhere."""

    def __init__(self, model: str | None) -> None:
        self.model = model
        self.text: str | None = None
        self.finished = False
        self._lines = JsonLines()
        self._ledger = _Ledger()
        self._result: dict[str, Any] = {}
        self._api_failure: dict[str, Any] = {}
        self._tool_calls = 0
        self._resets_at: float | None = None

    def feed(self, chunk: bytes) -> Iterator[AgentEvent]:
        """Yield an event for each thing the agent did in `chunk`."""
        return self._events(self._lines.feed(chunk))

    def finish(self) -> Iterator[AgentEvent]:
        """Yield the events of a last line without newline."""
        return self._events(self._lines.finish())

    def spend(self) -> Spend:
        """By the messages seen, and what the result line counts beyond them.

        The result's own cost stands unless it was guessed, or is 0 for tokens that were used.
        """
        tokens = self._ledger.by_model()
        if not self.finished:
            return Spend(tokens=tokens)
        told = _tokens(table(self._result, "usage"))
        more = _beyond(told, sum(tokens.values(), Usage()))
        tokens[self.model] = tokens.get(self.model, Usage()) + more
        cost = amount(self._result, "total_cost_usd")
        bases = [word(each, "costBasis") for each in table(self._result, "modelUsage").values()]
        guessed = any(basis not in (None, "list") for basis in bases)
        empty = not cost and any(used.has_tokens for used in tokens.values())
        return Spend(tokens=tokens, reported_usd=None if guessed or empty else cost)

    def verdict(self, ending: Ending) -> Verdict:
        """By `is_error` first, then the exit code, then whether it finished and was let do anything."""
        if self._result.get("is_error") is True:
            reason, words = failure(self._result, self._api_failure)
            limited = reason is Reason.RATE_LIMITED
            return _error(reason, words, resets_at=self._resets_at if limited else None)
        if ending.code != 0:
            reason_by_stderr = None if self.finished else stderr_failure(ending.complaints)
            return by_exit_code(ending) if reason_by_stderr is None else _error(*reason_by_stderr)
        if not self.finished:
            seen = any(used.has_tokens for used in self._ledger.by_model().values())
            return _error(Reason.AGENT_ERROR, "claude ended without a result line", cost_known=seen)
        denied = [
            word(denial, "tool_name") or "a tool" for denial in objects(self._result, "permission_denials")
        ]
        if denied and len(denied) >= self._tool_calls:
            return _error(Reason.PERMISSION_DENIED, f"every tool call was denied: {', '.join(denied)}")
        return Verdict()

    def _events(self, lines: Iterable[dict[str, Any]]) -> Iterator[AgentEvent]:
        for line in lines:
            match line.get("type"):
                case "system":
                    yield from self._system(line)
                case "assistant":
                    yield from self._assistant(line)
                case "stream_event":
                    yield from self._streamed(table(line, "event"))
                case "rate_limit_event":
                    self._rate_limit(table(line, "rate_limit_info"))
                case "result":
                    yield from self._ended(line)

    def _system(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        match line.get("subtype"):
            case "init":
                self.model = word(line, "model") or self.model
                yield AgentEvent(kind=EventKind.STARTED, text=self.model or "")
            case "api_retry":
                attempt = f"attempt {count(line, 'attempt')} of {count(line, 'max_retries')}"
                yield AgentEvent(kind=EventKind.RETRY, text=f"{word(line, 'error') or 'error'}, {attempt}")

    def _assistant(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        message = table(line, "message")
        if word(line, "error") is not None:
            self._api_failure = line
        for block in objects(message, "content"):
            yield from self._block(block)
        if self._ledger.saw(message):
            yield self._usage_event()

    def _block(self, block: dict[str, Any]) -> Iterator[AgentEvent]:
        match block.get("type"):
            case "tool_use":
                self._tool_calls += 1
                yield AgentEvent(kind=EventKind.TOOL, text=_tool_line(block))
            case "text" if text := word(block, "text"):
                self.text = text
                yield AgentEvent(kind=EventKind.TEXT, text=shortened(text))

    def _streamed(self, event: dict[str, Any]) -> Iterator[AgentEvent]:
        """The true output count of a message: its `assistant` lines are printed before it is known."""
        changed = False
        match event.get("type"):
            case "message_start":
                changed = self._ledger.saw(table(event, "message"))
            case "message_delta":
                changed = self._ledger.wrote(table(event, "usage"))
        if changed:
            yield self._usage_event()

    def _rate_limit(self, info: dict[str, Any]) -> None:
        if info.get("status") == "rejected":
            self._resets_at = number(info, "resetsAt")

    def _ended(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        self._result = line
        self.finished = True
        self.text = word(line, "result") or self.text
        yield self._usage_event()

    def _usage_event(self) -> AgentEvent:
        return AgentEvent(kind=EventKind.USAGE, usage=sum(self.spend().tokens.values(), Usage()))


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
        now = _larger(had, usage)
        self._open[identity] = (model, now)
        if len(self._open) > OPEN_MESSAGES:
            self._close(next(iter(self._open)))
        return now != had

    def _close(self, identity: str) -> None:
        model, usage = self._open.pop(identity)
        self._closed[model] = self._closed.get(model, Usage()) + usage


def _larger(one: Usage, other: Usage) -> Usage:
    """Counts of one message only grow while it streams."""
    return Usage(
        input=max(one.input, other.input),
        output=max(one.output, other.output),
        cache_read=max(one.cache_read, other.cache_read),
        cache_write=max(one.cache_write, other.cache_write),
    )


def _beyond(whole: Usage, part: Usage) -> Usage:
    """What `whole` has more than `part`, count by count."""
    return Usage(
        input=max(0, whole.input - part.input),
        output=max(0, whole.output - part.output),
        cache_read=max(0, whole.cache_read - part.cache_read),
        cache_write=max(0, whole.cache_write - part.cache_write),
    )


def _tokens(usage: dict[str, Any]) -> Usage:
    read, write = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    return Usage(
        input=count(usage, "input_tokens") + read + write,
        output=count(usage, "output_tokens"),
        cache_read=read,
        cache_write=write,
    )


def _tool_line(block: dict[str, Any]) -> str:
    """`Bash: make test`: the tool and the most telling of its arguments."""
    arguments = table(block, "input")
    telling = (word(arguments, key) for key in ("command", "file_path", "path", "pattern", "description"))
    detail = next((value for value in telling if value), None)
    name = word(block, "name") or "tool"
    return name if detail is None else shortened(f"{name}: {detail}")


def _error(
    reason: Reason, words: str | None, *, resets_at: float | None = None, cost_known: bool = True
) -> Verdict:
    return Verdict(
        status=SessionStatus.ERROR,
        reason=reason.because(words),
        resets_at=resets_at,
        cost_known=cost_known,
    )
