"""The bus: nobody who looks can slow or stop a run (SPEC 1.9, 9)."""

from __future__ import annotations

import threading
import time
import tracemalloc
from contextlib import closing

import msgspec
import pytest

from pitboss.core.agent import AgentEvent, EventKind
from pitboss.core.events import (
    AgentStep,
    Phase,
    PhaseChanged,
    RunEvent,
    SessionEnded,
    SessionStarted,
    Step,
    StepKind,
    Warned,
)
from pitboss.core.usage import Usage
from pitboss.engine import bus
from pitboss.engine.bus import Bus
from tests.support.cli import PATIENCE_S, wait_until
from tests.support.values import record


class Reader:
    """An outlet that keeps what it is shown, and shows nothing while its gate is shut."""

    patience_s = PATIENCE_S

    def __init__(self) -> None:
        self.events: list[RunEvent] = []
        self.gate = threading.Event()
        self.gate.set()
        self.hurried = False

    def waits_as(self, event: RunEvent) -> RunEvent:
        return event

    def __call__(self, event: RunEvent) -> None:
        self.gate.wait()
        self.events.append(event)

    def hurry(self) -> None:
        self.hurried = True

    def kinds(self) -> list[str]:
        return [type(event).__name__ for event in self.events]


def step(seq: int, text: str, kind: EventKind = EventKind.TEXT) -> AgentStep:
    return AgentStep(seq=seq, event=AgentEvent(kind=kind, text=text), used=Usage(input=len(text)))


def test_events_come_in_order_stamped_and_all_before_the_bus_is_closed() -> None:
    reader = Reader()
    with closing(Bus([reader])) as emit:
        for text in "abc":
            emit(Warned(text=text))
    assert [event.text for event in reader.events if isinstance(event, Warned)] == ["a", "b", "c"]
    assert all(event.t is not None for event in reader.events)
    assert reader.hurried


def test_of_a_thousand_steps_a_second_four_are_shown_and_the_last_always_is() -> None:
    reader = Reader()
    with closing(Bus([reader])) as emit:
        emit(SessionStarted(seq=1, prompt="alpha"))
        began = time.monotonic()
        for number in range(2000):
            emit(step(1, f"step {number}"))
        emit(PhaseChanged(seq=1, phase=Phase.LAND))
        took_s = time.monotonic() - began
    steps = [event for event in reader.events if isinstance(event, Step)]
    assert len(steps) <= 3 + took_s / bus.STEP_EVERY_S
    assert (steps[-1].text, steps[-1].what) == ("step 1999", StepKind.TEXT)
    assert reader.kinds()[-1] == "PhaseChanged"


def test_what_a_step_does_not_say_stays_as_it_was() -> None:
    reader = Reader()
    with closing(Bus([reader])) as emit:
        emit(SessionStarted(seq=1, prompt="alpha"))
        emit(step(1, "Bash: make", EventKind.TOOL))
        emit(AgentStep(seq=1, event=AgentEvent(kind=EventKind.USAGE), used=Usage(input=70, cost_usd=0.5)))
    last = reader.events[-1]
    assert isinstance(last, Step)
    assert (last.what, last.text, last.tokens.input, last.cost_usd) == (StepKind.TOOL, "Bash: make", 70, 0.5)


def test_a_phase_is_said_once_until_something_about_it_changes() -> None:
    reader = Reader()
    began, ended = SessionStarted(seq=1, prompt="alpha"), SessionEnded(record=record(1))
    fix = PhaseChanged(seq=1, phase=Phase.FIX, detail="attempt 1", attempt=1)
    other = PhaseChanged(seq=2, phase=Phase.LAND)
    told: list[RunEvent] = [
        *(began, PhaseChanged(seq=1, phase=Phase.VERIFY), fix, msgspec.structs.replace(fix, attempt=2)),
        *(PhaseChanged(seq=1, phase=Phase.LAND), other, PhaseChanged(seq=1, phase=Phase.VERIFY)),
        *(PhaseChanged(seq=1, phase=Phase.LAND), ended),
    ]
    with closing(Bus([reader])) as emit:
        for event in told:
            emit(event)
            if isinstance(event, PhaseChanged):
                emit(Warned(text="meanwhile"))
                emit(other)
                emit(event)
    phases = [event for event in reader.events if isinstance(event, PhaseChanged)]
    shown = [(event.seq, event.phase, event.attempt) for event in phases if event.seq == 1]
    assert shown == [(e.seq, e.phase, e.attempt) for e in told if isinstance(e, PhaseChanged) and e.seq == 1]
    assert [event.phase for event in phases if event.seq == 2] == [Phase.LAND]


def test_a_session_that_takes_the_number_of_one_that_ended_tells_all_its_phases() -> None:
    reader = Reader()
    with closing(Bus([reader])) as emit:
        for _ in range(2):
            emit(PhaseChanged(seq=1, phase=Phase.LAND))
            emit(SessionEnded(record=record(1)))
    assert reader.kinds() == ["PhaseChanged", "SessionEnded"] * 2


def test_each_hook_that_runs_is_said() -> None:
    reader = Reader()
    hook = PhaseChanged(seq=1, phase=Phase.HOOK, detail="make warm")
    with closing(Bus([reader])) as emit:
        for event in (hook, hook, SessionEnded(record=record(1)), hook):
            emit(event)
    assert reader.kinds() == ["PhaseChanged", "PhaseChanged", "SessionEnded", "PhaseChanged"]


def test_every_retry_is_shown() -> None:
    reader = Reader()
    with closing(Bus([reader])) as emit:
        emit(SessionStarted(seq=1, prompt="alpha"))
        for number in range(5):
            emit(step(1, f"attempt {number}", EventKind.RETRY))
    assert [event.text for event in reader.events if isinstance(event, Step)] == [
        f"attempt {n}" for n in range(5)
    ]


DROPPED = " events were not shown here: nobody took them"


def counted(event: RunEvent) -> int:
    """How many events an outlet has been told of by this one."""
    if isinstance(event, Warned) and event.text.endswith(DROPPED):
        return int(event.text.removesuffix(DROPPED))
    return 1


def test_whoever_takes_nothing_is_not_waited_for_and_keeps_no_one_else_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bus, "MOST_WAITING", 10)
    stuck, reader = Reader(), Reader()
    stuck.gate.clear()
    stuck.patience_s = 0.1
    emit = Bus([stuck, reader])
    began = time.monotonic()
    for number in range(100):
        emit(Warned(text=str(number)))
        emit(SessionEnded(record=record(number + 1)))
    wait_until(lambda: sum(isinstance(event, SessionEnded) for event in reader.events) == 100)
    emit.close()
    assert time.monotonic() - began < PATIENCE_S
    stuck.gate.set()
    wait_until(lambda: sum(isinstance(event, SessionEnded) for event in stuck.events) == 100)
    wait_until(lambda: sum(map(counted, stuck.events)) == 200)
    assert any(DROPPED in event.text for event in stuck.events if isinstance(event, Warned))


def test_an_outlet_that_has_nobody_to_write_to_is_left_alone() -> None:
    class Closed(Reader):
        def __call__(self, event: RunEvent) -> None:
            super().__call__(event)
            raise BrokenPipeError

    closed, reader = Closed(), Reader()
    with closing(Bus([closed, reader])) as emit:
        emit(Warned(text="first"))
        wait_until(lambda: len(reader.events) == 1)
        emit(Warned(text="second"))
        emit(SessionStarted(seq=1, prompt="alpha"))
        emit(step(1, "third"))
    assert (len(closed.events), len(reader.events)) == (1, 4)


class Faulty(Reader):
    """An outlet with a fault: `fails` names the method that raises."""

    def __init__(self, fails: str, error: BaseException) -> None:
        super().__init__()
        self._fails = fails
        self._error = error

    def waits_as(self, event: RunEvent) -> RunEvent:
        self._fail("waits_as")
        return super().waits_as(event)

    def __call__(self, event: RunEvent) -> None:
        super().__call__(event)
        self._fail("call")

    def hurry(self) -> None:
        self._fail("hurry")

    def _fail(self, where: str) -> None:
        if where == self._fails:
            raise self._error


def warnings(reader: Reader) -> list[str]:
    return [event.text for event in reader.events if isinstance(event, Warned)]


@pytest.mark.parametrize(
    ("fails", "error"),
    [
        ("call", ValueError("a bug")),
        ("call", OSError("no route")),
        ("call", SystemExit(1)),
        ("waits_as", ValueError("a bug")),
    ],
)
def test_an_outlet_that_fails_is_left_alone_and_the_others_are_warned_once(
    fails: str, error: BaseException
) -> None:
    broken, reader = Faulty(fails, error), Reader()
    emit = Bus([broken, reader])
    emit(SessionStarted(seq=1, prompt="alpha"))
    wait_until(lambda: warnings(reader) != [])
    reader.events.clear()
    tracemalloc.start()
    try:
        for number in range(500):
            emit(Warned(text=f"{number:10000}"))
        wait_until(lambda: len(reader.events) == 500)
        reader.events.clear()
        emit(Warned(text="last"))
        wait_until(lambda: warnings(reader) == ["last"])
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    emit.close()
    assert kept < 1_000_000  # of 5 MB
    assert warnings(reader) == ["last"]
    assert len(broken.events) <= 1


def test_what_failed_is_named_in_the_warning() -> None:
    broken, reader = Faulty("call", ValueError("a bug")), Reader()
    with closing(Bus([broken, reader])) as emit:
        emit(Warned(text="first"))
        wait_until(lambda: len(warnings(reader)) == 2)
    assert warnings(reader)[1] == "outlet Faulty failed, and shows nothing more: ValueError: a bug"


def test_an_outlet_that_cannot_hurry_ends_nothing() -> None:
    broken, reader = Faulty("hurry", ValueError("a bug")), Reader()
    with closing(Bus([broken, reader])) as emit:
        emit(Warned(text="first"))
    assert warnings(reader)[0] == "first"
    assert reader.hurried
