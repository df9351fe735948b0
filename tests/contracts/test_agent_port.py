"""What the engine may count on of any agent: the driver with a real child, and the scripted one (SPEC 1.5, 6)."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec
import pytest

from pitboss.agents.scripted import Script, ScriptedAgent
from pitboss.core.agent import AgentEvent, AgentOutcome, EventKind
from pitboss.core.config import AgentSettings
from pitboss.core.session import Reason, SessionStatus, reason_kind
from pitboss.core.stops import StopRequest
from pitboss.core.usage import CostSource, Usage
from tests.support.agents import agent, executable, request, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pitboss.core.agent import Agent, AgentRequest

USED = Usage(input=100, output=20, cost_usd=0.5, priced_by=CostSource.AGENT)


class Play(NamedTuple):
    """What the agent does: it says and does these things, then it succeeds, fails or goes on for ever."""

    counts: bool = True
    fails: bool = False
    waits: bool = False


class Maker(Protocol):
    """Makes an agent that does a play in a folder."""

    def __call__(self, play: Play, folder: Path) -> Agent: ...


def driven(play: Play, folder: Path) -> Agent:
    """The driver, and a child that prints what opencode does."""
    spent: dict[str, object] = {"reason": "stop", "cost": 0.5, "tokens": {"input": 100, "output": 20}}
    lines: list[dict[str, object]] = [
        {"type": "step_start"},
        {"type": "text", "part": {"text": "first"}},
        {"type": "tool_use", "part": {"tool": "read", "state": {"input": {"path": "notes.md"}}}},
        {"type": "text", "part": {"text": "second"}},
    ]
    if play.counts:
        lines.append({"type": "step_finish", "part": spent})
    said = "\n".join(json.dumps({**line, "sessionID": "ses-1"}) for line in lines)
    end = "echo 'it broke' >&2; exit 3" if play.fails else "exit 0"
    end = "exec sleep 300" if play.waits else end
    script = f"cat > /dev/null; printf '%s\\n' {shlex.quote(said)}; {end}"
    return agent("opencode", AgentSettings(binary=str(executable(folder / "opencode", script))))


def scripted(play: Play, folder: Path) -> Agent:
    """The scripted agent."""
    del folder
    events = (
        AgentEvent(kind=EventKind.STARTED),
        AgentEvent(kind=EventKind.TEXT, text="first"),
        AgentEvent(kind=EventKind.TOOL, text="read: notes.md"),
        AgentEvent(kind=EventKind.TEXT, text="second"),
        *([AgentEvent(kind=EventKind.USAGE, usage=USED)] if play.counts else []),
    )
    outcome = AgentOutcome(
        status=SessionStatus.ERROR if play.fails else SessionStatus.OK,
        reason=Reason.EXIT_CODE.because("3: it broke") if play.fails else None,
        usage=USED if play.counts else Usage(cost_known=False),
        text="second",
        session_id="ses-1",
        tool_calls=1,
        exit_code=3 if play.fails else 0,
    )
    return ScriptedAgent("scripted", lambda _: Script(events=events, outcome=outcome, waits=play.waits))


@pytest.fixture(params=[driven, scripted])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Play], Agent]:
    maker: Maker = request.param
    return lambda play: maker(play, tmp_path)


@pytest.fixture
def asked(tmp_path: Path) -> AgentRequest:
    return request(tmp_path)


class Heard:
    """What an agent told while it ran, in its order; asks it to stop once it has told the last of it."""

    def __init__(self, stop: StopRequest | None = None, *, after: EventKind = EventKind.USAGE) -> None:
        self.told: list[object] = []
        self.events: list[AgentEvent] = []
        self._stop = stop
        self._after = after

    def started(self, pid: int, ticks: int | None) -> None:
        self.told.append((pid, ticks))

    def event(self, event: AgentEvent) -> None:
        self.told.append(event.kind)
        self.events.append(event)

    def stop(self) -> StopRequest | None:
        return self._stop if self._after in self.told else None

    def of(self, agent: Agent, asked: AgentRequest) -> AgentOutcome:
        return agent.run(asked, on_start=self.started, on_event=self.event, stop=self.stop)


def test_the_start_is_told_once_with_a_pid_and_before_everything_else(
    make: Callable[[Play], Agent], asked: AgentRequest
) -> None:
    heard = Heard()
    heard.of(make(Play()), asked)
    starts = [told for told in heard.told if isinstance(told, tuple)]
    assert heard.told[0] == starts[0]
    assert len(starts) == 1
    assert starts[0][0] > 0


def test_events_come_in_the_order_in_which_they_happened(
    make: Callable[[Play], Agent], asked: AgentRequest
) -> None:
    heard = Heard()
    heard.of(make(Play()), asked)
    told = [(event.kind, event.text) for event in heard.events]
    happened = iter(
        [
            (EventKind.STARTED, ""),
            (EventKind.TEXT, "first"),
            (EventKind.TOOL, "read: notes.md"),
            (EventKind.TEXT, "second"),
            (EventKind.USAGE, ""),
        ]
    )
    # Of words and tools that come at once, only the last need be told.
    assert all(each in happened for each in told)
    assert told[0] == (EventKind.STARTED, "")
    assert told[-2:] == [(EventKind.TEXT, "second"), (EventKind.USAGE, "")]
    assert heard.events[-1].usage == USED


def test_success_is_an_outcome_with_the_last_words_and_the_whole_bill(
    make: Callable[[Play], Agent], asked: AgentRequest
) -> None:
    assert run(make(Play()), asked) == AgentOutcome(
        status=SessionStatus.OK,
        usage=USED,
        text="second",
        session_id="ses-1",
        tool_calls=1,
        exit_code=0,
    )


def test_failure_is_an_outcome_too(make: Callable[[Play], Agent], asked: AgentRequest) -> None:
    outcome = run(make(Play(fails=True)), asked)
    assert (outcome.status, outcome.reason) == (SessionStatus.ERROR, "exit_code: 3: it broke")
    assert outcome.usage == USED


@pytest.mark.parametrize(
    ("why", "status", "reason"),
    [
        (StopRequest.SKIP, SessionStatus.SKIPPED, "skipped"),
        (StopRequest.ABORT, SessionStatus.ABORTED, "aborted"),
        (StopRequest.RUN_CAP, SessionStatus.ERROR, "cost_cap: the run's cap"),
    ],
)
def test_a_stop_ends_it_and_what_it_had_used_is_billed(
    make: Callable[[Play], Agent], asked: AgentRequest, why: StopRequest, status: SessionStatus, reason: str
) -> None:
    # One that says that it is done is judged by its word where the run's cap ends it.
    play = Play(waits=True, counts=why is not StopRequest.RUN_CAP)
    heard = Heard(why, after=EventKind.USAGE if play.counts else EventKind.TEXT)
    outcome = heard.of(make(play), asked)
    assert (outcome.status, outcome.reason) == (status, reason)
    assert outcome.usage == (USED if play.counts else Usage(cost_known=False))


def test_it_is_not_let_run_longer_than_it_may(make: Callable[[Play], Agent], asked: AgentRequest) -> None:
    outcome = run(make(Play(waits=True, counts=False)), msgspec.structs.replace(asked, max_seconds=0.3))
    assert (outcome.status, outcome.reason) == (SessionStatus.TIMEOUT, "wall_clock: not done within 0.3 s")


@pytest.mark.parametrize("play", [Play(), Play(fails=True), Play(counts=False), Play(waits=True)])
def test_the_bill_of_one_whose_runner_died_is_what_it_used(
    make: Callable[[Play], Agent], asked: AgentRequest, play: Play
) -> None:
    agent = make(play)
    outcome = Heard(StopRequest.ABORT if play.waits else None).of(agent, asked)
    billed = agent.bill(asked, started=True)
    assert (billed.status, billed.reason) == (SessionStatus.ABORTED, "interrupted")
    assert billed.usage == outcome.usage


def test_one_that_never_started_is_billed_nothing(make: Callable[[Play], Agent], asked: AgentRequest) -> None:
    billed = make(Play()).bill(asked)
    assert (billed.status, billed.reason, billed.usage) == (SessionStatus.ABORTED, "interrupted", Usage())


def test_what_one_used_that_started_and_left_no_transcript_is_not_known(
    make: Callable[[Play], Agent], asked: AgentRequest
) -> None:
    assert make(Play()).bill(asked, started=True).usage == Usage(cost_known=False)


def test_what_a_listener_raises_is_not_swallowed(make: Callable[[Play], Agent], asked: AgentRequest) -> None:
    class Gone(Exception):
        pass

    def broken(_event: AgentEvent) -> None:
        raise Gone

    with pytest.raises(Gone):
        run(make(Play(waits=True)), asked, on_event=broken)


def test_every_reason_is_one_that_the_engine_knows(
    make: Callable[[Play], Agent], asked: AgentRequest
) -> None:
    for play in (Play(), Play(fails=True), Play(counts=False)):
        reason = run(make(play), asked).reason
        assert reason is None or reason_kind(reason) is not None


def test_the_scripted_one_works_in_the_tree_that_it_is_given(tmp_path: Path) -> None:
    def work(request: AgentRequest) -> None:
        (tmp_path / "note.txt").write_text(request.text)

    worker = ScriptedAgent("scripted", lambda _: Script(work=work), resumable=True)
    assert run(worker, request(tmp_path, text="do it")).status is SessionStatus.OK
    assert (tmp_path / "note.txt").read_text() == "do it"
    assert worker.resumable
