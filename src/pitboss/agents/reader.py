"""What all readers of agents' output have in common; a backend's own only says what its lines mean (SPEC 6)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from time import time
from typing import TYPE_CHECKING, Any

from pitboss.agents.judgement import AgentExit, failed
from pitboss.agents.output.lines import JsonLines, shortened
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.session import Reason, SessionStatus
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pitboss.agents.judgement import AgentVerdict, Spend
    from pitboss.core.agent import AgentRequest
    from pitboss.core.quota import Quota

OPEN_TOOLS = 256
"""How many tools may count as running; a CLI that never says that its tools ended must not fill memory."""

TEXTS = 64
"""How many texts are remembered to recognize repeats."""

MOST_RETRIES = 10
"""How many retries in a row count as progress: some CLIs retry forever."""

LONGEST_PAUSE_S = 900.0
"""The longest pause that a CLI may sit out itself; one that announces a longer one has met a limit of hours."""


class Reader(ABC):
    """Reads the output of one start of an agent, in chunks cut anywhere; never raises, whatever the bytes.

    `model`, `text` (the last words so far) and `session_id` (the CLI's own name for its session) are as the output
    reports them. `finished`: the agent has said its last word, as far as we know yet. `progress` rises with each new
    tool call, new text, new retry or token used; repeated output does not raise it. `announced_pause_s` is how long
    the CLI said it would be silent. `retrying` is how it announced its latest retry, until anything else came.
    `trouble` is what people should know about how it reports, if anything.
    """

    def __init__(self, request: AgentRequest) -> None:
        self.model = request.model
        self.text: str | None = None
        self.session_id = None if request.resume is None else request.resume.session_id
        self._asked_session = self.session_id
        self.finished = False
        self.tool_calls = 0
        self.progress = 0
        self.announced_pause_s = 0.0
        self.retrying: str | None = None
        self.trouble: str | None = None
        self.quota: Quota | None = None
        self.billed = Usage() if request.resume is None else request.resume.usage
        self._open_tools: dict[str, None] = {}
        self._background: dict[str, None] = {}
        self._texts: dict[int, None] = {}
        self._used = Usage()
        self._retries_in_a_row = 0
        self._long_pause: AgentVerdict | None = None

    @property
    def tool_running(self) -> bool:
        """Whether a tool or background task is still running: then silence is not a stall."""
        return bool(self._open_tools or self._background)

    @property
    def done(self) -> bool:
        """Whether the CLI says that everything is over, done or failed, so it only has to exit."""
        if not self.finished or self.tool_running:
            return False
        return self.worked or self.verdict(AgentExit(code=0)).status is not SessionStatus.OK

    @property
    def worked(self) -> bool:
        """False if the output shows that nothing was done: no turn, no tokens, no tool call."""
        return True

    @property
    def silent(self) -> bool:
        """Whether nothing readable was said or done, not even the start of a session."""
        resumed = self._asked_session == self.session_id
        return self.progress == 0 and self.text is None and resumed

    @property
    def torn(self) -> bool:
        """Whether the output ended in the middle of something."""
        return False

    @abstractmethod
    def feed(self, chunk: bytes) -> Iterable[AgentEvent]:
        """Take in more output; the caller must consume the events."""

    def finish(self) -> Iterable[AgentEvent]:
        """Note that the output has ended; the caller must consume the events."""
        return ()

    @abstractmethod
    def spend(self) -> Spend:
        """What this start has used so far, without `billed`; cheap enough to ask several times a second."""

    def hopeless(self) -> AgentVerdict | None:
        """The verdict on an agent that keeps asking for what it will not get for hours; None while there is hope.

        Such an agent is stopped, and waited for without it. Asked several times a second.
        """
        return None if self.tool_running else self._long_pause

    @abstractmethod
    def verdict(self, ended: AgentExit) -> AgentVerdict:
        """Judge an agent that ended on its own."""

    def named(self, session_id: str | None) -> None:
        """Note the CLI's own name for its session; one other than the session to resume has no earlier bill."""
        if session_id is None:
            return
        if session_id != self.session_id:
            self.billed = Usage()
        self.session_id = session_id

    def started(self) -> AgentEvent:
        """The event for the start of a session; set `model` and `session_id` first."""
        return AgentEvent(kind=EventKind.STARTED, text=self.model or "")

    def said(self, text: str) -> AgentEvent:
        """The event for a whole text, which becomes the latest; a text not said recently is progress."""
        self.text = text
        self._new_text(text)
        return AgentEvent(kind=EventKind.TEXT, text=shortened(text))

    def streamed(self, delta: str) -> None:
        """Note a piece of a streamed text; a piece not said recently is progress."""
        self._new_text(delta)

    def tool_started(self, identity: str | None, line: str) -> AgentEvent:
        """The event for a tool call, shown as `line`; one without an identity counts as already ended."""
        if identity not in self._open_tools:
            self.tool_calls += 1
            self._go_on()
        if identity is not None:
            self._open_tools[identity] = None
            if len(self._open_tools) > OPEN_TOOLS:
                del self._open_tools[next(iter(self._open_tools))]
        return AgentEvent(kind=EventKind.TOOL, text=line)

    def tool_ended(self, identity: str | None) -> None:
        """Note that a tool ended; progress if it was known to be running."""
        if identity in self._open_tools:
            del self._open_tools[identity]
            self._go_on()

    def task_started(self, identity: str) -> None:
        """Note a task that runs in the background until `task_ended`."""
        if identity not in self._background:
            self._background[identity] = None
            self._go_on()
        if len(self._background) > OPEN_TOOLS:
            del self._background[next(iter(self._background))]

    def task_ended(self, identity: str | None) -> None:
        """Note that a background task ended; progress if it was known to be running."""
        if identity in self._background:
            del self._background[identity]
            self._go_on()

    def retried(self, text: str, *, pause_s: float = 0.0) -> AgentEvent:
        """The event for a failed request that the CLI retries, after `pause_s` if it said so.

        A retry worded differently from the last (its number, say) is progress, unless there have been too many.
        """
        nth = self._retries_in_a_row + 1
        if nth <= MOST_RETRIES:
            self._new_text(text)
        self._retries_in_a_row, self.retrying = nth, text
        self.announced_pause_s = min(pause_s, LONGEST_PAUSE_S)
        if pause_s > LONGEST_PAUSE_S:
            self._long_pause = failed(Reason.RATE_LIMITED, text, resets_at=time() + pause_s)
        return AgentEvent(kind=EventKind.RETRY, text=text)

    def used(self) -> AgentEvent:
        """The event for the tokens used according to `spend`; more than before is progress."""
        used = sum(self.spend().tokens.values(), Usage())
        if used.beyond(self._used).has_tokens:
            self._go_on()
        self._used = self._used.at_least(used)
        return AgentEvent(kind=EventKind.USAGE, usage=used)

    def _go_on(self) -> None:
        """Something new came: no announced pause is pending any longer."""
        self.progress += 1
        self.announced_pause_s, self.retrying, self._retries_in_a_row = 0.0, None, 0
        self._long_pause = None

    def _new_text(self, text: str) -> None:
        key = hash(text)
        if key not in self._texts:
            self._go_on()
        self._texts.pop(key, None)
        self._texts[key] = None
        if len(self._texts) > TEXTS:
            del self._texts[next(iter(self._texts))]


class JsonReader(Reader):
    """A reader of output whose lines are JSON objects; it skips all other lines."""

    def __init__(self, request: AgentRequest) -> None:
        super().__init__(request)
        self._lines = JsonLines()

    @property
    def torn(self) -> bool:
        """Whether the last line was cut off."""
        return self._lines.torn and not self.finished

    def feed(self, chunk: bytes) -> Iterator[AgentEvent]:
        """Yield the events of the objects whose lines `chunk` completes."""
        for line in self._lines.feed(chunk):
            yield from self.event(line)

    def finish(self) -> Iterator[AgentEvent]:
        """Yield the events of a last line without newline."""
        for line in self._lines.finish():
            yield from self.event(line)

    @abstractmethod
    def event(self, line: dict[str, Any]) -> Iterable[AgentEvent]:
        """Take in one object of any shape (`json_values` reads it safely) and yield what it says."""
