"""Follows one running agent and says when to stop it: it is done, has spent its cap or is getting nowhere (SPEC 6)."""

from __future__ import annotations

from math import inf
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from pitboss.agents.costs import priced
from pitboss.agents.judgement import AgentExit, AgentVerdict, Spend
from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.stops import StopRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pitboss.agents.reader import Reader
    from pitboss.core.agent import AgentRequest
    from pitboss.core.config import Price

LINGER_S = 30.0
"""How long a CLI may take to exit once it has said it is done, unless `idle_seconds` allows less silence."""


_REPLACED = {EventKind.TEXT: "words", EventKind.TOOL: "words", EventKind.USAGE: "usage"}
"""Events that the next of their group replaces on every screen: what was said or done last, and the total so far."""


def latest(events: Iterable[AgentEvent]) -> list[AgentEvent]:
    """Of events that come at once, those that anyone could see: a talkative agent's are thousands a second."""
    kept: dict[object, AgentEvent] = {}
    for nth, event in enumerate(events):
        group = _REPLACED.get(event.kind, nth)
        kept.pop(group, None)
        kept[group] = event
    return list(kept.values())


class AgentMonitor:
    """Passes an agent's events on as its output comes, and says whether to stop it.

    `word` is the verdict on an agent that says it is done, as long as it says so: what a CLI prints while being stopped
    does not count.
    """

    def __init__(
        self,
        reader: Reader,
        request: AgentRequest,
        pricing: Mapping[str, Price],
        on_event: Callable[[AgentEvent], None],
    ) -> None:
        self.reader = reader
        self.cap_usd = request.max_cost_usd
        self._prices_steps = request.live_usage or request.max_cost_usd is not None
        self.idle_s = request.idle_seconds
        self.spent_usd = 0.0
        self.hopeless: AgentVerdict | None = None
        self.word: AgentVerdict | None = None
        self._pricing = pricing
        self._on_event = on_event
        self._priced: Spend | None = None
        self._settled: Spend | None = None
        self._progress = 0
        self._progress_at = monotonic()
        self._done_at = self._progress_at

    def read(self, chunk: bytes) -> None:
        """Take in output as it comes; the time spent here does not count as the agent's silence."""
        self._tell(self.reader.feed(chunk))
        self._note_progress()

    def end(self) -> None:
        """Note that the output has ended."""
        self._tell(self.reader.finish())

    def stop(self) -> StopRequest | None:
        """Why to stop the agent: it has done its work, spent its cap, or is getting nowhere."""
        self._note_progress()
        self._note_word()
        return self._over_cap() or self._beyond_hope() or self._lingering() or self._stalled()

    def due_s(self) -> float:
        """In how many seconds mere silence may be a reason to stop the agent."""
        return min(self._lingers_at(), self._stalls_at()) - monotonic()

    def _note_word(self) -> None:
        """Take the agent at its word from when it says it is done until it does something more."""
        if not self.reader.done:
            self.word = self._settled = None
            return
        if self.word is None:
            self._settled, self._done_at = self.reader.spend(), monotonic()
        self.word = self.reader.verdict(AgentExit(code=0))

    def _lingering(self) -> StopRequest | None:
        """DONE once a CLI with nothing left to do has not exited for LINGER_S, or been silent for `idle_seconds`."""
        return StopRequest.DONE if monotonic() >= self._lingers_at() else None

    def _lingers_at(self) -> float:
        if self.word is None:
            return inf
        since = max(self._done_at, self._progress_at)
        return since + (LINGER_S if self.idle_s is None else min(LINGER_S, self.idle_s))

    def _beyond_hope(self) -> StopRequest | None:
        """HOPELESS once the agent keeps asking for something it will not get."""
        self.hopeless = self.reader.hopeless()
        return None if self.hopeless is None else StopRequest.HOPELESS

    def _stalled(self) -> StopRequest | None:
        """STALLED once nothing new has come for too long with no tool running, however much was printed.

        A pause that the CLI announced is added.
        """
        return StopRequest.STALLED if monotonic() >= self._stalls_at() else None

    def _stalls_at(self) -> float:
        if self.idle_s is None or self.word is not None:
            return inf
        return self._progress_at + self.idle_s + self.reader.announced_pause_s

    def _note_progress(self) -> None:
        if self.reader.tool_running or self.reader.progress != self._progress:
            self._progress = self.reader.progress
            self._progress_at = monotonic()

    def _over_cap(self) -> StopRequest | None:
        """COST_CAP once the known cost reaches the cap; prices are looked up only if there is a cap.

        What the agent had spent when it said it was done no longer counts; what it spends after that does.
        """
        if self.cap_usd is None:
            return None
        spend = self.reader.spend()
        if spend == self._settled:
            return None
        if spend != self._priced:
            self._priced = spend
            self.spent_usd = priced(spend, self._pricing).cost_usd
        has_used = bool(spend.tokens) or bool(spend.reported_usd)
        return StopRequest.COST_CAP if has_used and self.spent_usd >= self.cap_usd else None

    def _tell(self, events: Iterable[AgentEvent]) -> None:
        for event in latest(events):
            self._on_event(self._with_cost(event))

    def _with_cost(self, event: AgentEvent) -> AgentEvent:
        """A usage event with its cost as far as known; where no cap depends on it, pricing is left for the end."""
        if event.kind is not EventKind.USAGE or event.usage is None:
            return event
        spend = self.reader.spend()
        if self._prices_steps:
            whole = priced(spend, self._pricing)
            cost, known = whole.cost_usd, whole.cost_known
        else:
            cost, known = spend.reported_usd or 0.0, spend.reported_usd is not None
        usage = msgspec.structs.replace(event.usage, cost_usd=cost, cost_known=known)
        return msgspec.structs.replace(event, usage=usage)
