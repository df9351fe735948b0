"""Reads opencode's JSON events: what it does, what it used, how it ended (SPEC 6).

What the CLI prints, and what follows from it:
- There is no final event: a run has succeeded when its last step finished with `stop` and it exits 0.
- Each `step_finish` has the tokens and cost of its step alone, even after `--session`, so they are added up. A step
  that broke off has no numbers; if no step has any, the usage is unknown. A cost counts without its tokens, too.
- Of subagents it prints nothing: what they used is in its database. Without that, the usage is unknown.
- A cost of 0 for tokens means that it has no price for the model.
- A failed request is retried with just a second `step_start`, or with a status of `retry` that says why and when; a
  truncated answer ends in a step of reason `unknown`, and is requested again, endlessly.
- It may wait for days for the end of a limit, and may never exit after its last step, or after an error. Versions that
  print no `retry` say in their log alone what they wait for.
- A tool call that was not permitted ends the run with exit 0; its last step is `tool-calls`.
- A tool is reported only once it has ended, so one may be running in an open step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.agents.backend import stderr_path
from pitboss.agents.judgement import AgentVerdict, Spend, failed
from pitboss.agents.opencode.failures import MILLISECONDS, OpencodeFailure, failure, wait
from pitboss.agents.opencode.log import FailedRequests
from pitboss.agents.opencode.subagents import answers_below, tokens
from pitboss.agents.output.json_values import amount, table, word
from pitboss.agents.output.lines import shortened
from pitboss.agents.output.tool_line import tool_line
from pitboss.agents.plain import by_exit_code
from pitboss.agents.reader import JsonReader
from pitboss.agents.services.failures import UNMENDED
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.session import Reason, SessionStatus
from pitboss.core.usage import Usage, add_usd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.agents.judgement import AgentExit
    from pitboss.core.agent import AgentRequest

DONE = "stop"
FRUITFUL = (DONE, "tool-calls", "length", "content-filter")
"""How a step finishes if its answer came whole, as far as the model meant to give it."""

MOST_CUTS = 20
"""After this many truncated answers in a row, none will come whole."""

SUBAGENT = "task"
"""The tool that starts one, and ends when it does."""

REFUSED = ("rejected permission", "prevents you from using")
"""What a tool call says when there was nobody to allow it."""


class OpencodeReader(JsonReader):
    """Reads one `opencode run` from first byte to last, in chunks cut anywhere."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._env = request.env
        self._since_ms: float | None = None
        self._tasks = 0
        self._subagents: dict[str | None, Usage] = {}
        self._unread = False
        self._total = Usage()
        self._cost_usd = 0.0
        self._unpriced = False
        self._began = False
        self._step_open = False
        self._in_vain = False
        self._cuts_in_a_row = 0
        self._last_step: str | None = None
        self._last_counted: dict[str, Any] = {}
        self._failure: OpencodeFailure | None = None
        self._waits_for: OpencodeFailure | None = None
        self._log = FailedRequests(stderr_path(request))
        self._refused = 0
        self._last_refused = ""

    @property
    def tool_running(self) -> bool:
        """Whether a tool may be running: in any open step, unless its request is being retried."""
        return self._step_open and not self._in_vain and not self._log.words

    @property
    def worked(self) -> bool:
        """False if nothing was said, done or counted."""
        return bool(self.text) or self.tool_calls > 0 or self._total.has_tokens

    def finish(self) -> Iterator[AgentEvent]:
        """Yield what a last line says, and count what subagents used."""
        yield from super().finish()
        if self._tasks or self._step_open:
            yield from self._counted_below()

    def spend(self) -> Spend:
        """The sum of the finished steps, and what subagents used."""
        if not (self._total.has_tokens or self._subagents or self._cost_usd):
            return Spend(unreadable=self._began)
        cost = None if self._unpriced else self._cost_usd
        own = self._subagents.get(self.model, Usage()) + self._total
        return Spend(tokens=self._subagents | {self.model: own}, reported_usd=cost, unreadable=self._unread)

    def hopeless(self) -> AgentVerdict | None:
        """Judge by what it waits for, as it prints or logs, or by truncated answers one after another.

        Each of these may cost money, and it asks for more twice a second.
        """
        self._look_into_log()
        if self._waits_for is not None and self._waits_for.reason in UNMENDED:
            return _failed(self._waits_for)
        if (refused := self._log.hopeless()) is not None:
            return failed(*refused)
        if self._cuts_in_a_row < MOST_CUTS:
            return None
        words = f"{self._cuts_in_a_row} answers in a row were cut off"
        return AgentVerdict(status=SessionStatus.TIMEOUT, reason=Reason.STALLED.because(words))

    def _look_into_log(self) -> None:
        self._log.read(self.session_id)
        self.retrying = self._log.words or self.retrying

    def _answered(self, line: dict[str, Any]) -> None:
        """The service answered: nothing is being waited for."""
        self._waits_for = None
        self._log.answered((amount(line, "timestamp") or 0.0) / MILLISECONDS)

    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge by the last error, then the exit code, how the last step finished, and what was allowed."""
        why = self._failure or self._waits_for
        if why is not None:
            return _failed(why)
        if ended.code != 0:
            return by_exit_code(ended, "opencode")
        if self._refused and (self._last_step != DONE or self._refused >= self.tool_calls):
            return failed(Reason.PERMISSION_DENIED, f"opencode was not allowed to use {self._last_refused}")
        if self._last_step != DONE:
            words = f"its last step ended with {self._last_step}" if self._last_step else "no last step"
            return failed(Reason.AGENT_ERROR, f"opencode ended without an answer: {words}")
        return AgentVerdict()

    def event(self, line: dict[str, Any]) -> Iterator[AgentEvent]:
        """Yield what `line` says."""
        self.session_id = word(line, "sessionID") or self.session_id
        if self._since_ms is None:
            self._since_ms = amount(line, "timestamp")
        part = table(line, "part")
        match line.get("type"):
            case "step_start":
                self._answered(line)
                yield from self._step_started()
            case "text" if text := word(part, "text"):
                self.text = text
                self._answered(line)
                yield AgentEvent(kind=EventKind.TEXT, text=shortened(text))
            case "tool_use":
                self._in_vain = False
                self._answered(line)
                yield self._tool(part)
            case "step_finish":
                self._answered(line)
                yield from self._step_finished(part)
            case "error":
                self._step_open = False
                self._failure = failure(line)
                self.finished = True
            case "session.idle":
                self._step_open = False
                self.finished = True
            case "retry" | "session.status" if why := wait(line):
                self._waits_for = why
                self._in_vain = True
                words = shortened(why.words or "the request failed and is retried")
                yield self.retried(words, pause_s=why.pause_s)

    def _step_started(self) -> Iterator[AgentEvent]:
        if self._step_open:
            self._in_vain = True
            yield self.retried("the request failed and is retried")
        elif not self._began:
            yield self.started()
        self._began = self._step_open = True
        self.finished = False
        self._last_step = self._failure = None

    def _tool(self, part: dict[str, Any]) -> AgentEvent:
        state, name = table(part, "state"), word(part, "tool") or "tool"
        complaint = word(state, "error") or ""
        if any(words in complaint for words in REFUSED):
            self._refused += 1
            self._last_refused = name
        else:
            self._tasks += name == SUBAGENT
        return self.tool_started(None, tool_line(name, table(state, "input")))

    def _step_finished(self, part: dict[str, Any]) -> Iterator[AgentEvent]:
        """Words and tokens count as progress only in a step that produced something."""
        if part == self._last_counted and word(part, "id"):
            return  # printed again
        self._last_counted = part
        self._last_step = word(part, "reason") or "unknown"
        self._step_open = False
        self._failure = None
        self._count(tokens(table(part, "tokens")), amount(part, "cost"))
        if self._last_step in FRUITFUL:
            self._in_vain = False
            self._cuts_in_a_row = 0
            self.finished = self._last_step == DONE
            self.streamed(self.text or "")
            yield self.used()
        else:
            self._in_vain = True
            self._cuts_in_a_row += 1
            yield self.retried("the answer was cut off and is requested again")

    def _count(self, used: Usage, cost_usd: float | None) -> None:
        self._total += used
        self._cost_usd = add_usd(self._cost_usd, cost_usd or 0.0)
        self._unpriced = self._unpriced or (used.has_tokens and not cost_usd)

    def _counted_below(self) -> Iterator[AgentEvent]:
        found = answers_below(self._env, self.session_id or "", since_ms=self._since_ms or 0.0)
        self._unread = self._tasks > 0 and not found
        for answer in found or ():
            self._subagents[answer.model] = self._subagents.get(answer.model, Usage()) + answer.used
            self._cost_usd = add_usd(self._cost_usd, answer.cost_usd)
            self._unpriced = self._unpriced or not answer.cost_usd
        yield self.used()


def _failed(why: OpencodeFailure) -> AgentVerdict:
    return failed(why.reason, why.words, resets_at=why.resets_at)
