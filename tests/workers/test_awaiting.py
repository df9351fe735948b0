"""What a run says while none of its workers can take a session, and when (SPEC 8, 14)."""

from __future__ import annotations

import pytest

from pitboss.core.events import AgentStep, RunEvent, WorkersAwaited
from pitboss.workers.awaiting import LONG_S, NOBODY_S, PAUSE_S, Awaiting, awaited_words
from pitboss.workers.messages import VERSION
from pitboss.workers.roster import WorkerFacts, WorkerInfo

FACTS = WorkerFacts(version="1", messages=VERSION, slots=1, pid=1, host="rack")
FIT = WorkerInfo(name="anna", address="tcp://127.0.0.1:1", last_seen=0.0, facts=FACTS)
UNFIT = WorkerInfo(
    name="ben", address="tcp://127.0.0.1:2", last_seen=0.0, facts=FACTS, unfit="it has no codex"
)


class Loop:
    """A run's loop, which looks whenever a test says so."""

    def __init__(self) -> None:
        self.now = 100.0
        self.said: list[str] = []
        self.long: list[bool] = []
        self.warned: list[str] = []
        self._awaiting = Awaiting(self._hear, self.warned.append, lambda: self.now)

    def _hear(self, event: RunEvent | AgentStep) -> None:
        assert isinstance(event, WorkersAwaited)
        self.said.append(event.why)
        self.long.append(event.long)

    def look(self, *workers: WorkerInfo, is_idle: bool = True, after_s: float = 0.0) -> None:
        self.now += after_s
        self._awaiting.look(workers, "tls://rack:8786", is_idle=is_idle)


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_a_moment_without_workers_is_not_worth_a_word(loop: Loop) -> None:
    loop.look()
    loop.look(after_s=PAUSE_S / 2)
    loop.look(FIT, is_idle=False)
    loop.look(after_s=PAUSE_S / 2)
    loop.look(after_s=PAUSE_S / 2)
    assert (loop.said, loop.warned) == ([], [])


def test_a_run_says_what_it_waits_for_whenever_that_changes_and_when_it_is_over(loop: Loop) -> None:
    loop.look()
    for workers in ((), (), (UNFIT,), (UNFIT, FIT)):
        loop.look(*workers, after_s=PAUSE_S)
    loop.look(UNFIT, FIT, is_idle=False)
    assert loop.said == [
        "none is connected",
        "the one that is connected is unfit, as `pitboss workers` explains",
        "those that are fit gave a session up, and get none for a minute",
        "",
    ]


def test_a_wait_of_a_minute_is_told_as_a_long_one_until_it_is_over(loop: Loop) -> None:
    loop.look()
    for after_s in (PAUSE_S, LONG_S / 2, LONG_S / 2, LONG_S):
        loop.look(after_s=after_s)
    loop.look(FIT, is_idle=False)
    loop.look()
    loop.look(after_s=PAUSE_S)
    assert loop.long == [False, True, False, False]


def test_a_long_wait_is_worth_one_warning_with_all_reasons(loop: Loop) -> None:
    for _ in range(4):
        loop.look(UNFIT, after_s=NOBODY_S + 1)
    assert loop.warned == ["the run waits for a worker: ben: it has no codex"]
    loop.look(FIT, is_idle=False)
    for _ in range(2):
        loop.look(is_idle=False, after_s=NOBODY_S + 1)
    assert loop.warned[1:] == [
        "the run waits for a worker: the scheduler at tls://rack:8786 does not answer, or has none"
    ]


def test_several_that_are_unfit_are_counted() -> None:
    assert (
        awaited_words([UNFIT, UNFIT]) == "all 2 that are connected are unfit, as `pitboss workers` explains"
    )
