"""Connections of one process beat together, and one that hears nothing is given up (SPEC 14)."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.workers.background_loop import BackgroundLoop
from pitboss.workers.heartbeat import Heartbeat
from pitboss.workers.messages import Beat, FromWorker, encoded, from_worker
from pitboss.workers.wire import BEATS, Closed, Wire
from tests.support.cli import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

LOST_AFTER_S = 1.2
BEAT_S = LOST_AFTER_S / BEATS


class Other:
    """The other side of a connection: notes when it was beaten to, and says what it is told to or `answers` beats."""

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers
        self.beaten: list[float] = []
        self.says: asyncio.Queue[list[bytes]] = asyncio.Queue()

    async def write(self, message: list[bytes]) -> None:
        assert message == [encoded(Beat()), b""]
        self.beaten.append(time.monotonic())
        if self._answers:
            self.says.put_nowait(message)

    async def read(self) -> list[bytes]:
        return await self.says.get()

    def abort(self) -> None:
        """Nothing is left to close."""


class Crowd:
    """Connections that share a heartbeat, each begun a moment after the one before."""

    def __init__(self, loop: BackgroundLoop, number: int, apart_s: float, *, answer: bool = False) -> None:
        self.others = [Other(answers=answer) for _ in range(number)]
        self.wires: list[Wire[FromWorker]] = []
        loop.run(self._begin(apart_s))

    async def _begin(self, apart_s: float) -> None:
        loop = asyncio.get_running_loop()
        heartbeat = Heartbeat(loop)
        for other in self.others:
            it: Any = Wire(other, loop, from_worker, lost_after_s=LOST_AFTER_S, heartbeat=heartbeat)
            self.wires.append(it)
            self._serving = asyncio.ensure_future(it.serve())
            await asyncio.sleep(apart_s)


@pytest.fixture
def loop() -> Iterator[BackgroundLoop]:
    loop = BackgroundLoop()
    yield loop
    loop.close()


def test_those_that_are_due_together_beat_together(loop: BackgroundLoop) -> None:
    crowd = Crowd(loop, 40, BEAT_S / 40, answer=True)
    wait_until(lambda: all(len(other.beaten) >= 4 for other in crowd.others))
    moments = sorted(at for other in crowd.others for at in other.beaten)
    apart = sum(after - before > BEAT_S / 40 for before, after in pairwise(moments))
    assert apart < len(moments) / 1.5
    for other in crowd.others:
        gaps = [after - before for before, after in pairwise(other.beaten)]
        assert min(gaps) > BEAT_S * 0.7


def test_a_beat_is_answered_at_once_but_not_its_answer(loop: BackgroundLoop) -> None:
    crowd = Crowd(loop, 1, BEAT_S * 0.6)
    (other,) = crowd.others
    for _ in range(2):
        loop.soon(other.says.put_nowait, [encoded(Beat()), b""])
    wait_until(lambda: bool(other.beaten))
    loop.run(asyncio.sleep(BEAT_S * 0.2))
    assert len(other.beaten) == 1


def test_who_hears_nothing_gives_the_other_side_up_and_who_hears_beats_does_not(loop: BackgroundLoop) -> None:
    began = time.monotonic()
    crowd = Crowd(loop, 2, 0.0)

    async def speak() -> None:
        for _ in range(2 * BEATS):
            crowd.others[1].says.put_nowait([encoded(Beat()), b""])
            await asyncio.sleep(BEAT_S)

    loop.soon(lambda: asyncio.ensure_future(speak()))
    with pytest.raises(Closed):
        crowd.wires[0].take(30.0)
    assert time.monotonic() - began >= LOST_AFTER_S
    assert not crowd.wires[1].is_closed
    with pytest.raises(Closed):
        crowd.wires[1].take(30.0)
    assert time.monotonic() - began >= 2 * LOST_AFTER_S


def test_a_connection_that_has_ended_beats_no_longer(loop: BackgroundLoop) -> None:
    crowd = Crowd(loop, 1, 0.0)
    crowd.wires[0].close()
    wait_until(lambda: crowd.wires[0].is_closed)
    loop.run(asyncio.sleep(2 * BEAT_S))
    assert crowd.others[0].beaten == []


class Slow:
    """Beats at most once a second; notes when it is called."""

    beat_s = 1.0

    def __init__(self) -> None:
        self.called: list[float] = []

    def beat_by(self, now: float, early_s: float) -> float:
        assert early_s < self.beat_s
        self.called.append(now)
        return now + self.beat_s


class Fast(Slow):
    """Beats a hundred times a second."""

    beat_s = 0.01


def test_slow_connections_beat_together_again_once_the_fast_ones_are_gone(loop: BackgroundLoop) -> None:
    slow = [Slow(), Slow()]

    async def begin() -> None:
        heartbeat = Heartbeat(asyncio.get_running_loop())
        heartbeat.remove(heartbeat.add(Fast()))
        for each in slow:
            heartbeat.add(each)
            await asyncio.sleep(0.02)

    loop.run(begin())
    wait_until(lambda: all(each.called for each in slow))
    assert slow[0].called[0] == slow[1].called[0]
