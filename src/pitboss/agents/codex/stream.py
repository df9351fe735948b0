"""Reads the JSON lines of `codex exec`, and its thread's file for its usage (SPEC 6).

What the CLI prints, and what follows from it:
- `error` lines and items of type `error` are often no failure (reconnecting, a model it has no metadata for);
  `turn.failed` is one.
- Tokens come only with `turn.completed` and are the thread's total, which includes earlier starts of a resumed one.
  For a failed or truncated turn only the thread's own file has them; without it they are unknown.
- A subagent is a thread of its own, and the total leaves out what it used: its file has that.
- It prints neither model nor cost nor when a usage limit ends: the model and that time are in the file too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.agents.codex.rollout import Rollout, spawned_by, tokens
from pitboss.agents.codex.subagents import Subagents
from pitboss.agents.judgement import AgentVerdict, Spend, failed
from pitboss.agents.output.json_values import objects, table, word
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

TOOLS = {
    "command_execution": "shell",
    "file_change": "edit",
    "mcp_tool_call": "mcp",
    "web_search": "search",
    "collab_tool_call": "agent",
}
"""Items that are tool calls, and what to show for them."""

RECONNECTING = "Reconnecting..."


class CodexReader(JsonReader):
    """Reads one `codex exec --json` from first byte to last, in chunks cut anywhere."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._rollout = Rollout(request.env)
        self._subagents = Subagents(request.env)
        self._spawned: dict[str, None] = {}
        self._total = Usage()
        self._over = False
        self._answered = False
        self._complaint: str | None = None
        self._failure: str | None = None

    @property
    def worked(self) -> bool:
        """False if nothing was said, done or counted."""
        return self._answered or self.tool_calls > 0 or self._total.beyond(self.billed).has_tokens

    def spend(self) -> Spend:
        """What the thread used beyond its earlier starts; unknown if it was answered and nothing says more.

        No answer is free: zeros mean a gateway that does not count.
        """
        below = self._subagents.used
        used = sum(below.values(), self._total).beyond(self.billed)
        return Spend(
            tokens=self._by_model(used, below) if used.has_tokens else {},
            unreadable=self._answered and (not used.has_tokens or self._unsure(below)),
        )

    def _by_model(self, used: Usage, below: dict[str | None, Usage]) -> dict[str | None, Usage]:
        """`used` by model, as far as it is not of earlier starts: of these nobody knows the models."""
        if self.billed.has_tokens or not below:
            return {self.model: used}
        own = below.get(self.model, Usage()) + self._total
        return below | ({self.model: own} if own.has_tokens else {})

    def _unsure(self, below: dict[str | None, Usage]) -> bool:
        """Whether what subagents used, or of which model it was, is not known in the end."""
        mixed = self.billed.has_tokens and any(model != self.model for model in below)
        return self._over and (mixed or self._subagents.uncounted)

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by `turn.failed`, then the exit code, then whether the turn was completed."""
        failure = self._failure
        if failure is None and ended.code is not None and ended.code > 0:
            failure = self._complaint
        if failure is not None:
            return self._failed(failure)
        if ended.code != 0:
            return by_exit_code(ended, "codex")
        if not self.finished:
            return failed(Reason.AGENT_ERROR, "codex ended without completing its turn")
        return AgentVerdict()

    def _failed(self, words: str) -> AgentVerdict:
        reason = service_failure(words=words, cli="codex")
        limited = reason is Reason.RATE_LIMITED
        return failed(reason, words, resets_at=self._rollout.resets_at() if limited else None)

    def finish(self) -> Iterator[AgentEvent]:
        """Yield the events of a last line, and what the thread's file says at the end."""
        yield from super().finish()
        self._over = True
        yield from self._looked_up()

    def event(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """Yield what `line` says."""
        match line.get("type"):
            case "thread.started":
                self.named(word(line, "thread_id"))
                yield self.started()
            case "item.started" | "item.updated" | "item.completed":
                yield from self._item(table(line, "item"), ended=line["type"] == "item.completed")
            case "error":
                yield from self._complained(word(line, "message") or "error")
            case "turn.failed":
                self._failure = word(table(line, "error"), "message") or self._complaint or "turn.failed"
                self._end()
            case "turn.completed":
                yield from self._completed(table(line, "usage"))

    def _item(self, item: dict[str, Any], *, ended: bool) -> Iterator[AgentEvent]:
        kind, identity = word(item, "type"), word(item, "id")
        if kind in (None, "error"):
            return
        self._answered = True
        self._complaint = None
        self._spawned.update(spawned_by(item))
        if kind in TOOLS:
            yield from self._tool(identity, f"{TOOLS[kind]}: {_detail(item)}", ended=ended)
        elif kind == "agent_message" and ended:
            yield self.said(word(item, "text") or "")
        else:
            self.streamed(word(item, "text") or "")
        if ended:
            yield from self._looked_up()

    def _tool(self, identity: str | None, line: str, *, ended: bool) -> Iterator[AgentEvent]:
        """Some tools are named only once they have ended."""
        if identity not in self._open_tools:
            yield self.tool_started(identity, shortened(line))
        if ended:
            self.tool_ended(identity)

    def _complained(self, words: str) -> Iterator[AgentEvent]:
        again = words.startswith(RECONNECTING)
        if not again:
            self._complaint = words
        if again or service_failure(words=words, cli="codex") is Reason.OVERLOADED:
            yield self.retried(shortened(words))

    def _completed(self, usage: dict[str, Any]) -> Iterator[AgentEvent]:
        self._failure = None
        self._complaint = None
        self._total = self._total.at_least(tokens(usage))
        self._end()
        yield self.used()

    def _end(self) -> None:
        """The last word is said; tools left running are not waited for."""
        self.finished = True
        self._open_tools.clear()

    def _looked_up(self) -> Iterator[AgentEvent]:
        """What is new in the thread's file."""
        rollout = self._rollout
        rollout.read(self.session_id)
        self.model = rollout.model or self.model
        before = sum(self._subagents.used.values(), self._total)
        self._subagents.read({**self._spawned, **rollout.spawned})
        self._total = self._total.at_least(rollout.used)
        if sum(self._subagents.used.values(), self._total).beyond(before).has_tokens:
            yield self.used()
        if rollout.quota is not None and rollout.quota != self.quota:
            self.quota = rollout.quota
            yield AgentEvent(kind=EventKind.QUOTA, quota=self.quota)


def _detail(item: dict[str, Any]) -> str:
    """The part of an item that says most about its tool call."""
    paths = ", ".join(word(change, "path") or "?" for change in objects(item, "changes"))
    telling = (word(item, key) for key in ("command", "query", "tool", "prompt"))
    return next((value for value in telling if value), paths)
