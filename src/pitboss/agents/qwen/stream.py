"""Reads Qwen Code's stream-json: what it does, what it used, how it ended (SPEC 6).

The events look like Claude Code's and mean other things:
- `input_tokens` includes cached ones, and nothing carries a cost.
- The last of a turn's `assistant` lines has its usage, the others have zeros: the cost of anything said after the
  last count, because it failed or was killed, is unknown.
- The `result` line has the total; after `--resume` it covers the whole session, and counts requests that no line
  mentions. An error's has zeros: then the bill is the messages seen.
- A failed request is part of the agent's words, `[API Error: ...]` after what it had said; in older versions nothing
  else reports it, and the `result` is a success. Such words have no usage: counted ones are the model's, whatever
  they are about.
- A request retried after a cut repeats its first words, in the same text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.agents.judgement import AgentVerdict, Spend, all_denied, failed
from pitboss.agents.output.json_values import count, objects, table, word
from pitboss.agents.output.tool_line import tool_line
from pitboss.agents.plain import by_exit_code
from pitboss.agents.qwen.failures import API_ERROR, Refusals, failure
from pitboss.agents.reader import JsonReader
from pitboss.core.session import Reason
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.agents.judgement import AgentExit
    from pitboss.core.agent import AgentEvent, AgentRequest

SAID_AGAIN = 8
"""If at least this many of a text's first characters come again, the request was retried."""


class QwenReader(JsonReader):
    """Reads one `qwen` from first byte to last, in chunks cut anywhere."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._counted: dict[str | None, Usage] = {}
        self._open: tuple[str | None, str | None, Usage] = (None, None, Usage())
        self._uncounted = False
        self._retries = 0
        self._result: dict[str, Any] = {}
        self._api_error: str | None = None
        self._words = ""
        self._models_words = ""
        self._refusals = Refusals(request.env, self.session_id)

    @property
    def worked(self) -> bool:
        """False if nothing was said, done or counted."""
        return bool(self.text) or self.tool_calls > 0 or bool(self.spend().tokens)

    def spend(self) -> Spend:
        """From the messages seen, and what the result line counts beyond them and beyond earlier attempts."""
        tokens = self._by_message()
        stated = _tokens(table(self._result, "usage")).beyond(self.billed)
        more = stated.beyond(sum(tokens.values(), Usage()))
        if more.has_tokens:
            tokens[self.model] = tokens.get(self.model, Usage()) + more
        return Spend(tokens=tokens, unreadable=self._uncounted)

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by `is_error` and the subtype, then the exit code, whether it finished, and what was allowed."""
        kind = word(self._result, "subtype") or ""
        if self._result.get("is_error") is True or kind.startswith("error"):
            return failed(*failure(word(table(self._result, "error"), "message") or kind or "an error"))
        if ended.code != 0:
            return by_exit_code(ended, "qwen")
        if self._api_error is not None:
            return failed(*failure(self._api_error))
        if not self.finished:
            return failed(Reason.AGENT_ERROR, "qwen ended without a result line")
        denied = [
            word(denial, "tool_name") or "a tool" for denial in objects(self._result, "permission_denials")
        ]
        return all_denied(denied, self.tool_calls) or AgentVerdict()

    def hopeless(self) -> AgentVerdict | None:
        """Judge by what the session's file says about requests that it silently retries."""
        if self.finished:
            return None
        refused = self._refusals.hopeless(self.session_id)
        self.retrying = self._refusals.words or self.retrying
        return None if refused is None else failed(*refused)

    def event(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """Yield what `line` says."""
        match line.get("type"):
            case "system":
                yield from self._system(line)
            case "assistant":
                yield from self._assistant(table(line, "message"))
            case "user":
                for block in objects(table(line, "message"), "content"):
                    self.tool_ended(word(block, "tool_use_id"))
            case "stream_event":
                self._streamed(table(line, "event"))
            case "result":
                yield from self._ended(line)

    def _system(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        match line.get("subtype"):
            case "init":
                self.model = word(line, "model") or self.model
                self.named(word(line, "session_id"))
                yield self.started()
            case "retry":
                self._retries += 1
                yield self.retried(word(table(line, "data"), "reason") or "retry")

    def _assistant(self, message: dict[str, Any]) -> Iterator[AgentEvent]:
        for block in objects(message, "content"):
            yield from self._block(block)
            self._words = word(block, "text") or self._words
        used = _tokens(table(message, "usage"))
        if used.has_tokens:
            self._uncounted = False
            self._models_words = self._words
            self._count(word(message, "id"), word(message, "model") or self.model, used)
            yield self.used()

    def _block(self, block: dict[str, Any]) -> Iterator[AgentEvent]:
        match block.get("type"):
            case "tool_use":
                self._uncounted = True
                name, arguments = word(block, "name"), table(block, "input")
                yield self.tool_started(word(block, "id"), tool_line(name, arguments))
            case "text" if text := self._own_words(word(block, "text") or ""):
                self._uncounted = True
                yield self.said(text)

    def _own_words(self, text: str) -> str:
        """The agent's own words: without the CLI's about an error, and without repeats due to a retry."""
        words, retries, self._retries = API_ERROR.sub("", text), self._retries, 0
        for _ in range(min(retries, len(words) // SAID_AGAIN)):
            again = words.find(words[:SAID_AGAIN], SAID_AGAIN)
            if again < 0 or not words.startswith(words[:again], again):
                break
            words = words[again:]
        return words

    def _streamed(self, event: dict[str, Any]) -> None:
        if event.get("type") == "content_block_delta" and (text := word(table(event, "delta"), "text")):
            self._uncounted = True
            self.streamed(text)

    def _ended(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        self._result = line
        self.finished = True
        self.named(word(line, "session_id"))
        said = word(line, "result") or ""
        is_models = bool(said) and said.strip() == self._models_words.strip()
        self._api_error = said if API_ERROR.search(said) and not is_models else None
        if self.text is None:
            self.text = API_ERROR.sub("", said).strip() or None
        if _tokens(table(line, "usage")).has_tokens:
            self._uncounted = False
        yield self.used()

    def _count(self, identity: str | None, model: str | None, used: Usage) -> None:
        """Count a message once; its lines come in succession."""
        before, its_model, had = self._open
        if identity is None or identity != before:
            self._counted[its_model] = self._counted.get(its_model, Usage()) + had
            had = Usage()
        self._open = (identity, model, had.at_least(used))

    def _by_message(self) -> dict[str | None, Usage]:
        _, model, last = self._open
        sums = self._counted | {model: self._counted.get(model, Usage()) + last}
        return {model: used for model, used in sums.items() if used.has_tokens}


def _tokens(usage: dict[str, Any]) -> Usage:
    whole_input = count(usage, "input_tokens")
    return Usage(
        input=whole_input,
        output=count(usage, "output_tokens"),
        cache_read=min(whole_input, count(usage, "cache_read_input_tokens")),
    )
