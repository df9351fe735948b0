"""Reads Copilot CLI's JSON events and its usage file (SPEC 6).

What the CLI says, and what follows from it:
- Tokens are only in the usage file, which it writes when it exits, even on TERM; for a resumed session they cover the
  whole session. If killed it leaves no file, and its usage is unknown.
- It reports no price, and premium requests do not amount to one: tokens are priced by model.
- A failed request that is retried is a `model.call_failure`; `session.error` is a turn's failure. When a usage limit
  ends is in the service's words, quoted in the last `model.call_failure`.
- An agent whose every tool call was denied has done nothing, whatever it says and whatever its exit code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pitboss.agents.judgement import AgentVerdict, Spend, failed
from pitboss.agents.output.json_values import amount, count, object_in, table, word
from pitboss.agents.output.lines import shortened
from pitboss.agents.output.tool_line import tool_line
from pitboss.agents.plain import by_exit_code
from pitboss.agents.reader import JsonReader
from pitboss.agents.services.failures import service_failure
from pitboss.core.session import Reason
from pitboss.core.usage import Usage
from pitboss.store.files import read_regular

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.agents.judgement import AgentExit
    from pitboss.core.agent import AgentEvent, AgentRequest

USAGE_FILE_LIMIT = 4 * 1024 * 1024
"""Bytes; the file names every file that the session changed."""

NOT_LOGGED_IN = b"No authentication information found"
LOGIN_ADVICE = (
    "copilot has no login: run `copilot login`, set COPILOT_GITHUB_TOKEN, or name a provider of your own "
    "in COPILOT_PROVIDER_BASE_URL"
)


class CopilotReader(JsonReader):
    """Reads one `copilot --output-format json` from first byte to last, in chunks cut anywhere."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._usage_file = Path(request.usage_file)
        self._tokens: dict[str | None, Usage] = {}
        self._answered = False
        self._denials = 0
        self._denial = ""
        self._exit_code = 0
        self._call_failure: dict[str, Any] = {}
        self._error: dict[str, Any] | None = None

    @property
    def worked(self) -> bool:
        """False if nothing was said, done or counted."""
        return self._answered or self.tool_calls > 0 or bool(self._tokens)

    def spend(self) -> Spend:
        """What the usage file said once the agent had ended; unknown if it was answered but the file says nothing."""
        return Spend(tokens=self._tokens, unreadable=self._answered and not self._tokens)

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by the session's last error, the exit codes, the last word, and whether any tool call was allowed."""
        if self._error is not None:
            return self._failed(self._error)
        if ended.code != 0:
            refused = ended.code == 1 and NOT_LOGGED_IN in ended.complaints
            return failed(Reason.AUTH, LOGIN_ADVICE) if refused else by_exit_code(ended, "copilot")
        if not self.finished:
            return failed(Reason.AGENT_ERROR, "copilot ended without a result line")
        if self._exit_code != 0:
            return failed(Reason.AGENT_ERROR, f"copilot reported exit code {self._exit_code}")
        if 0 < self.tool_calls <= self._denials:
            return failed(Reason.PERMISSION_DENIED, f"every tool call: {self._denial}")
        return AgentVerdict()

    def _failed(self, error: dict[str, Any]) -> AgentVerdict:
        words = word(error, "message") or word(error, "errorType") or "session.error"
        service = _quoted(self._call_failure)
        codes = (word(service, "code"), word(service, "type"), word(self._call_failure, "errorCode"))
        reason = service_failure(
            codes=(*codes, word(error, "errorCode"), word(error, "errorType")),
            words=words,
            status=count(error, "statusCode"),
            cli="copilot",
        )
        limited = reason is Reason.RATE_LIMITED
        return failed(reason, words, resets_at=amount(service, "resets_at") if limited else None)

    def finish(self) -> Iterator[AgentEvent]:
        """Yield the events of a last line, and what the usage file says at the end."""
        yield from super().finish()
        self._tokens = self._on_top(_metrics(self._usage_file))
        if self._tokens:
            yield self.used()

    def _on_top(self, session: dict[str | None, Usage]) -> dict[str | None, Usage]:
        """The session's tokens minus those already billed for earlier starts, whichever model used them."""
        rest, tokens = self.billed, {}
        for model, used in session.items():
            more = used.beyond(rest)
            rest = rest.beyond(used)
            if more.has_tokens:
                tokens[model] = more
        return tokens

    def event(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """Yield what `line` says."""
        data = table(line, "data")
        match line.get("type"):
            case "session.tools_updated":
                self.model = word(data, "model") or self.model
                yield self.started()
            case "assistant.message_delta":
                self._answered = True
                self.streamed(word(data, "deltaContent") or "")
            case "assistant.message":
                yield from self._message(data)
            case "model.call_failure":
                self._call_failure = data
                yield self.retried(_refusal(data))
            case "assistant.turn_retry":
                yield self.retried(word(data, "reason") or "error")
            case "tool.execution_start":
                name, arguments = word(data, "toolName"), table(data, "arguments")
                yield self.tool_started(word(data, "toolCallId"), tool_line(name, arguments))
            case "tool.execution_complete":
                self._tool_ended(data)
            case "result":
                self._ended(line)
            case kind:
                self._note_failure(kind, data)

    def _note_failure(self, kind: object, data: dict[str, Any]) -> None:
        """Note that the turn is restarting, has failed or is over."""
        match kind:
            case "assistant.turn_start":
                self._error = None
                self.finished = False
            case "session.error":
                self._error = data
                self._end()
            case "abort":
                self._error = {"message": f"it was aborted: {word(data, 'reason') or 'no reason given'}"}
                self._end()
            case "assistant.idle":
                self._end()

    def _message(self, data: dict[str, Any]) -> Iterator[AgentEvent]:
        self._answered = True
        self._call_failure = {}
        self.model = word(data, "model") or self.model
        if text := word(data, "content"):
            yield self.said(text)

    def _tool_ended(self, data: dict[str, Any]) -> None:
        self.tool_ended(word(data, "toolCallId"))
        error = table(data, "error")
        if data.get("success") is False and word(error, "code") == "denied":
            self._denials += 1
            self._denial = word(error, "message") or "denied"

    def _ended(self, line: dict[str, Any]) -> None:
        self.named(word(line, "sessionId"))
        self._exit_code = count(line, "exitCode")
        self._end()

    def _end(self) -> None:
        """The last word is said, unless another turn begins."""
        self.finished = True
        self._open_tools.clear()


def _metrics(file: Path) -> dict[str | None, Usage]:
    """Each model's tokens in the usage file; nothing if the file is missing or unreadable."""
    models = table(object_in(read_regular(file, USAGE_FILE_LIMIT)), "modelMetrics")
    return {
        model: _usage(table(metrics, "usage"))
        for model, metrics in models.items()
        if isinstance(metrics, dict)
    }


def _usage(usage: dict[str, Any]) -> Usage:
    """Input already includes cached tokens, output the reasoning."""
    return Usage(
        input=count(usage, "inputTokens"),
        output=count(usage, "outputTokens"),
        cache_read=count(usage, "cacheReadTokens"),
        cache_write=count(usage, "cacheWriteTokens"),
    )


def _refusal(call_failure: dict[str, Any]) -> str:
    """Why a request failed, in the service's own words if it has any, and which attempt it was."""
    words = word(_quoted(call_failure), "message") or word(call_failure, "errorMessage")
    said = words or f"HTTP status {count(call_failure, 'statusCode')}"
    attempt = count(call_failure, "retryAttempt")
    return shortened(f"{said} (attempt {attempt})" if attempt else said)


def _quoted(call_failure: dict[str, Any]) -> dict[str, Any]:
    """The service's error object, which is quoted as text in the failure."""
    return object_in(word(call_failure, "errorMessage"))
