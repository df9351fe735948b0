"""When a guardian gives up a worker that is alive: it has been silent for too long, at two looks (SPEC 14)."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from pitboss.workers import liveness as liveness_module
from pitboss.workers.liveness import LOOK_S, Liveness


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(liveness_module, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


def looks(liveness: Liveness, clock: SimpleNamespace, *after_s: float) -> list[bool]:
    """What the guardian sees, each look so long after the one before."""
    seen = []
    for seconds in after_s:
        clock.now += seconds
        seen.append(liveness.is_lost())
    return seen


def test_a_worker_that_stands_still_is_lost_at_the_second_look(clock: SimpleNamespace) -> None:
    liveness = Liveness()
    liveness.beat(4.0)
    assert looks(liveness, clock, 2, 1, 1, LOOK_S / 2, LOOK_S / 2) == [False, False, False, False, True]


def test_a_worker_that_beats_again_after_the_machine_was_asleep_is_not_lost(clock: SimpleNamespace) -> None:
    liveness = Liveness()
    liveness.beat(4.0)
    assert looks(liveness, clock, 3600) == [False]
    liveness.beat(4.0)
    assert looks(liveness, clock, LOOK_S, LOOK_S) == [False, False]


def test_a_worker_without_sessions_or_without_a_process_may_be_silent(clock: SimpleNamespace) -> None:
    liveness = Liveness()
    assert looks(liveness, clock, 10, 10) == [False, False]
    liveness.beat(None)
    assert looks(liveness, clock, 10, 10) == [False, False]
    liveness.beat(4.0)
    liveness.rest()
    assert looks(liveness, clock, 10, 10) == [False, False]
