"""Reads Claude Code's stream-json: what it does and how it ended; `bill` adds up what it used (SPEC 6).

What the CLI prints, and what follows from it:
- A failed request ends in `subtype: success` with `is_error: true`. Older versions that give up print a `subtype`
  of `error_...` with `is_error: false`, and the same words may come without any error.
- Exit 0 without a `result` line is no success: what ran was not Claude Code, or not all of it.
- A `result` is not the end while tasks run in the background: `init` or a message in the main loop begins a new turn.
- A result without error may stand for work that a hook or a maximum cut short, or for no turn at all.
- An agent whose every tool call was denied has done nothing, whatever it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.agents.claude.bill import SYNTHETIC, Bill
from pitboss.agents.claude.failures import (
    CLI,
    TOO_MANY_REQUESTS,
    cut_short,
    failure,
    given_up,
    reset_in,
    stderr_failure,
)
from pitboss.agents.judgement import AgentVerdict, Spend, all_denied, failed
from pitboss.agents.output.json_values import amount, count, number, objects, table, word
from pitboss.agents.output.tool_line import tool_line
from pitboss.agents.plain import by_exit_code
from pitboss.agents.reader import JsonReader
from pitboss.agents.services.words import meaning
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.quota import Quota, QuotaWindow
from pitboss.core.session import Reason

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.agents.judgement import AgentExit
    from pitboss.core.agent import AgentRequest

STREAMED = ("text", "thinking", "partial_json")
"""What may arrive piecemeal: words, thoughts, a tool's arguments."""

API_ERROR = "API Error: "
"""How the CLI's own words for a failed request begin, even where some versions call the result a success."""

OVER = ("completed", "failed", "stopped", "killed")
"""Statuses of a task that has ended."""


class ClaudeReader(JsonReader):
    """Reads one `claude -p` from first byte to last, in chunks cut anywhere."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._bill = Bill(self.billed)
        self._result: dict[str, Any] = {}
        self._api_failure: dict[str, Any] = {}
        self._own_words: dict[str, Any] = {}
        self._models_words = ""
        self._retry: dict[str, Any] = {}
        self._resets_at: float | None = None
        self._rejected = False
        self._retried_429 = False
        self._turn: str | None = None
        self._turn_tools: list[str | None] = []

    def spend(self) -> Spend:
        """From the messages and results seen so far."""
        return self._bill.spend(self.model)

    @property
    def worked(self) -> bool:
        """Whether a turn was made: by the result's count or, without one, if anything was said.

        Words of the CLI's own (`No response requested.`) are no turn, though it counts them as one.
        """
        turns = number(self._result, "num_turns")
        spoke = bool(self.text) if turns is None else turns != 0
        return (
            (spoke and not self._own_words)
            or self.tool_calls > 0
            or any(used.has_tokens for used in self.spend().tokens.values())
        )

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by what the result says went wrong, then the exit code, then whether any tool call was allowed."""
        if self._has_failed():
            said = word(self._result, "result") or _text(self._own_words)
            result = self._result | {"result": said}
            why = failure(result, self._api_failure, retried=self._retried_429, rejected=self._rejected)
            return self._failed(*why)
        if not self._result:
            return self._unfinished(ended)
        if (short := cut_short(self._result, words=self._clis_words())) is not None:
            return failed(*short)
        if ended.code != 0:
            return by_exit_code(ended)
        denied = [
            word(denial, "tool_name") or "a tool" for denial in objects(self._result, "permission_denials")
        ]
        return all_denied(denied, self.tool_calls) or AgentVerdict()

    def _has_failed(self) -> bool:
        """Whether the result is a failure: it says so, or the CLI's own words came last and mean one."""
        result = self._result
        if not result:
            return False
        if result.get("is_error") is True or word(result, "terminal_reason") == "api_error":
            return True
        if (word(result, "subtype") or "").startswith("error") or self._clis_words().startswith(API_ERROR):
            return True
        own = self._own_words
        return bool(own) and (word(own, "error") is not None or meaning(_text(own), CLI) is not None)

    def _clis_words(self) -> str:
        """The words of the result, unless the model said them: it may write about errors and hooks."""
        said = word(self._result, "result") or ""
        return "" if said.strip() == self._models_words.strip() else said

    def _unfinished(self, ended: AgentExit) -> AgentVerdict:
        """The verdict on a CLI that ended without a result."""
        if self._own_words and (reason := meaning(_text(self._own_words), CLI)):
            return self._failed(reason, _text(self._own_words))
        if self._retry:
            return self._failed(*given_up(self._retry))
        if ended.code != 0:
            why = stderr_failure(ended.complaints)
            return by_exit_code(ended) if why is None else self._failed(*why)
        return failed(Reason.AGENT_ERROR, "claude ended without a result line")

    def _failed(self, reason: Reason, words: str | None) -> AgentVerdict:
        if reason is not Reason.RATE_LIMITED:
            return failed(reason, words)
        return failed(reason, words, resets_at=self._resets_at or reset_in(words))

    def event(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """Yield what `line` says."""
        match line.get("type"):
            case "system":
                yield from self._system(line)
            case "assistant":
                yield from self._assistant(line)
            case "user":
                for block in objects(table(line, "message"), "content"):
                    self.tool_ended(word(block, "tool_use_id"))
            case "stream_event":
                yield from self._streamed(table(line, "event"), word(line, "parent_tool_use_id"))
            case "rate_limit_event":
                yield from self._rate_limit(table(line, "rate_limit_info"))
            case "result":
                yield from self._ended(line)

    def _system(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        match line.get("subtype"):
            case "init":
                self.finished = False
                self.model = word(line, "model") or self.model
                self.session_id = word(line, "session_id") or self.session_id
                yield self.started()
            case "api_retry":
                yield self._retries(line)
            case _:
                self._task(line)

    def _retries(self, line: dict[str, Any]) -> AgentEvent:
        self._retry = line
        self._retried_429 |= count(line, "error_status") == TOO_MANY_REQUESTS
        attempt = f"attempt {count(line, 'attempt')} of {count(line, 'max_retries')}"
        pause_s = (amount(line, "retry_delay_ms") or 0.0) / 1000
        return self.retried(f"{word(line, 'error') or 'error'}, {attempt}", pause_s=pause_s)

    def _task(self, line: dict[str, Any]) -> None:
        """What the CLI announces about commands and agents that run alongside the main loop.

        One in the foreground belongs to the tool that started it, and ends with it.
        """
        task = word(line, "task_id")
        change = table(line, "patch") or line
        match line.get("subtype"):
            case "task_started" if task and line.get("is_backgrounded") is not False:
                self.task_started(task)
            case "task_updated" if task and change.get("is_backgrounded") is True:
                self.task_started(task)
            case "task_progress":
                self.streamed(f"{task}: {line.get('usage')} {line.get('description')}")
            case "background_tasks_changed":
                self._running(objects(line, "tasks"))
        if line.get("subtype") == "task_notification" or word(change, "status") in OVER:
            self.task_ended(task)

    def _running(self, tasks: list[dict[str, Any]]) -> None:
        """Take `tasks` as everything running in the background; the CLI's own are not waited for."""
        now = {task for each in tasks if each.get("ambient") is not True and (task := word(each, "task_id"))}
        for over in [task for task in self._background if task not in now]:
            self.task_ended(over)
        for task in sorted(now):
            self.task_started(task)

    def _assistant(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        message, parent = table(line, "message"), word(line, "parent_tool_use_id")
        own = word(message, "model") == SYNTHETIC
        if not own:
            self._goes_on(parent)
        if parent is None:
            if word(line, "error") is not None:
                self._api_failure = line
            self._own_words = line if own else {}
            self._models_words = "" if own or word(line, "error") else _text(line)
            self._next_turn(word(message, "id"), objects(message, "content"))
        for block in objects(message, "content"):
            yield from self._block(block)
        if self._bill.messages.saw(message, parent):
            yield self.used()

    def _goes_on(self, parent: str | None) -> None:
        """The model answers: nothing is being retried, what failed is over, and after a result this is a new turn."""
        self._retry = {}
        if parent is None:
            self.finished = False
            self._api_failure = {}

    def _next_turn(self, identity: str | None, blocks: list[dict[str, Any]]) -> None:
        """The model speaks again only once its tools have ended, even one whose result the CLI never reported."""
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

    def _streamed(self, event: dict[str, Any], parent: str | None) -> Iterator[AgentEvent]:
        """A message's true output count: its `assistant` lines are printed before it is known."""
        changed = False
        match event.get("type"):
            case "message_start":
                self._goes_on(parent)
                changed = self._bill.messages.saw(table(event, "message"), parent)
            case "content_block_delta":
                delta = table(event, "delta")
                self.streamed(next(filter(None, (word(delta, key) for key in STREAMED)), ""))
            case "message_delta":
                changed = self._bill.messages.wrote(table(event, "usage"), parent)
        if changed:
            yield self.used()

    def _rate_limit(self, info: dict[str, Any]) -> Iterator[AgentEvent]:
        """A subscription's limits, which healthy runs report too."""
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
        self._bill.ended(line)
        self.finished = True
        self._open_tools.clear()
        self.text = word(line, "result") or self.text
        self.session_id = word(line, "session_id") or self.session_id
        yield self.used()


def _text(line: dict[str, Any]) -> str:
    """The words of a message."""
    blocks = objects(table(line, "message"), "content")
    return " ".join(filter(None, (word(block, "text") for block in blocks)))


def _window(windows: dict[str, Any], name: str) -> QuotaWindow | None:
    window = table(windows, name)
    used = amount(window, "utilization")
    return None if used is None else QuotaWindow(used=used, resets_at=amount(window, "resetsAt"))
