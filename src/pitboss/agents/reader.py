"""What every reader of an agent's output keeps, so that a backend's own only says what its lines mean (SPEC 6)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from pitboss.agents.judgement import AgentExit
from pitboss.agents.output.lines import JsonLines, shortened
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.session import SessionStatus
from pitboss.core.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pitboss.agents.judgement import Spend, Verdict
    from pitboss.core.agent import AgentRequest, Quota

OPEN_TOOLS = 256
"""Tools taken to run at a time; a CLI that never says that its tools ended must not fill memory."""

TEXTS = 64
"""Texts remembered, to know one that is said again."""

MOST_RETRIES = 10
"""Requests made again in a row that are progress: some CLIs ask without end."""

LONGEST_PAUSE_S = 900.0
"""The longest that a CLI is let be silent because it said so."""


class Reader(ABC):
    """Reads one start of an agent, its output cut anywhere; never raises, whatever the bytes.

    `model`, `text` (the last words so far) and `session_id` (the CLI's own name for its session) are what
    the output says of them. `finished`: the agent has said its last word, as far as is known yet. `progress` rises
    with each new tool call, new text, new retry or token used: output that repeats itself leaves it alone.
    `announced_pause_s`: the CLI said that it would be silent for so long before it goes on. `retrying` are the words
    in which it told that it asks again, until anything else came.
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
        self.quota: Quota | None = None
        self.billed = Usage() if request.resume is None else request.resume.usage
        self._open_tools: dict[str, None] = {}
        self._background: dict[str, None] = {}
        self._texts: dict[int, None] = {}
        self._used = Usage()
        self._retries_in_a_row = 0

    @property
    def tool_running(self) -> bool:
        """Whether a tool, or a task in the background, was started and has not ended: then silence is no stall."""
        return bool(self._open_tools or self._background)

    @property
    def done(self) -> bool:
        """Whether the CLI says that all is over, done or failed, so that nothing is left for it but to exit."""
        if not self.finished or self.tool_running:
            return False
        return self.worked or self.verdict(AgentExit(code=0)).status is not SessionStatus.OK

    @property
    def worked(self) -> bool:
        """False where the output says that nothing was done: no turn, no tokens, no tool call."""
        return True

    @property
    def silent(self) -> bool:
        """Whether nothing was said or done that could be read, not even that a session began."""
        resumed = self._asked_session == self.session_id
        return self.progress == 0 and self.text is None and resumed

    @property
    def torn(self) -> bool:
        """Whether the output ended in the middle of something that was to be read."""
        return False

    @abstractmethod
    def feed(self, chunk: bytes) -> Iterable[AgentEvent]:
        """Take in more output; the events must be consumed."""

    def finish(self) -> Iterable[AgentEvent]:
        """Take note that the output has ended; the events must be consumed."""
        return ()

    @abstractmethod
    def spend(self) -> Spend:
        """What this start used so far, without `billed`; cheap enough to ask several times a second."""

    def hopeless(self) -> Verdict | None:
        """The verdict on an agent that keeps asking for what it will not get for hours; None while there is hope.

        It is stopped then. Asked several times a second.
        """
        return None

    @abstractmethod
    def verdict(self, ended: AgentExit) -> Verdict:
        """Judge an agent that ended by itself."""

    def named(self, session_id: str | None) -> None:
        """Take note of the CLI's own name for its session; a new one owes nothing to the one that was asked for."""
        if session_id is None:
            return
        if session_id != self.session_id:
            self.billed = Usage()
        self.session_id = session_id

    def started(self) -> AgentEvent:
        """The event for a session that begins; set `model` and `session_id` first."""
        return AgentEvent(kind=EventKind.STARTED, text=self.model or "")

    def said(self, text: str) -> AgentEvent:
        """The event for whole words of the agent, kept as its last; words it has not said lately are progress."""
        self.text = text
        self._new_text(text)
        return AgentEvent(kind=EventKind.TEXT, text=shortened(text))

    def streamed(self, delta: str) -> None:
        """Take note of a piece of words that come bit by bit: one not said lately is progress."""
        self._new_text(delta)

    def tool_started(self, identity: str | None, line: str) -> AgentEvent:
        """The event for a tool call, `line` being what to show of it; without an identity it counts as ended."""
        if identity not in self._open_tools:
            self.tool_calls += 1
            self._go_on()
        if identity is not None:
            self._open_tools[identity] = None
            if len(self._open_tools) > OPEN_TOOLS:
                del self._open_tools[next(iter(self._open_tools))]
        return AgentEvent(kind=EventKind.TOOL, text=line)

    def tool_ended(self, identity: str | None) -> None:
        """Take note that a tool ended, which is progress if it was known to run."""
        if identity in self._open_tools:
            del self._open_tools[identity]
            self._go_on()

    def task_started(self, identity: str) -> None:
        """Take note of a task that runs in the background until `task_ended`."""
        if identity not in self._background:
            self._background[identity] = None
            self._go_on()
        if len(self._background) > OPEN_TOOLS:
            del self._background[next(iter(self._background))]

    def task_ended(self, identity: str | None) -> None:
        """Take note that a task in the background ended, which is progress if it was known to run."""
        if identity in self._background:
            del self._background[identity]
            self._go_on()

    def retried(self, text: str, *, pause_s: float = 0.0) -> AgentEvent:
        """The event for a request that failed and is made again, after `pause_s` if the CLI told.

        A retry told in other words than the last ones, such as its number, is progress, unless it is one of too many.
        """
        nth = self._retries_in_a_row + 1
        if nth <= MOST_RETRIES:
            self._new_text(text)
        self._retries_in_a_row, self.retrying = nth, text
        self.announced_pause_s = min(pause_s, LONGEST_PAUSE_S)
        return AgentEvent(kind=EventKind.RETRY, text=text)

    def used(self) -> AgentEvent:
        """The event for tokens used, by `spend`; more than before are progress."""
        used = sum(self.spend().tokens.values(), Usage())
        if used.beyond(self._used).has_tokens:
            self._go_on()
        self._used = self._used.at_least(used)
        return AgentEvent(kind=EventKind.USAGE, usage=used)

    def _go_on(self) -> None:
        """Something new came: no pause is due any more."""
        self.progress += 1
        self.announced_pause_s, self.retrying, self._retries_in_a_row = 0.0, None, 0

    def _new_text(self, text: str) -> None:
        key = hash(text)
        if key not in self._texts:
            self._go_on()
        self._texts.pop(key, None)
        self._texts[key] = None
        if len(self._texts) > TEXTS:
            del self._texts[next(iter(self._texts))]


class JsonReader(Reader):
    """A reader of output whose lines are JSON objects; lines that are none are passed over."""

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
        """Take in one object of any shape (`json_values` reads it safely) and yield what it tells."""
