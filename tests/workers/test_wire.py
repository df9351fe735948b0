"""Both ends of a connection hold a few messages, however many the other one sends (SPEC 14)."""

from __future__ import annotations

import asyncio
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from pitboss.workers.background_loop import BackgroundLoop
from pitboss.workers.extra import quiet_dask
from pitboss.workers.messages import FromWorker, Grown, from_worker
from pitboss.workers.wire import FULL, Wire
from tests.support.cli import PATIENCE_S, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY = 40 * FULL
BODY = b"x" * 64 * 1024


class Connection:
    """Two ends of a connection on this machine: `worker` sends, `runner` takes."""

    def __init__(self) -> None:
        quiet_dask()
        self._carrying: list[asyncio.Future[None]] = []
        self.loop = BackgroundLoop()
        self.loop.run(self._connect())

    async def _connect(self) -> None:
        from distributed.comm import core

        dask_comm: Any = core
        accepted = asyncio.get_running_loop().create_future()

        async def accept(comm: Any) -> None:
            accepted.set_result(comm)

        self._listener = dask_comm.listen("tcp://127.0.0.1:0", accept)
        await self._listener.start()
        there = await dask_comm.connect(self._listener.contact_address)
        self.runner, self.worker = self._end(await accepted), self._end(there)

    def _end(self, comm: Any) -> Wire[FromWorker]:
        loop = asyncio.get_running_loop()
        wire = Wire(comm, loop, from_worker, lost_after_s=600.0)
        self._carrying.append(asyncio.ensure_future(wire.serve()))
        return wire

    async def _disconnect(self) -> None:
        self._listener.stop()
        for carrying in self._carrying:
            carrying.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    def send(self) -> Thread:
        """Send many messages, from a thread of their own."""

        def send() -> None:
            for _ in range(MANY):
                self.worker.put_in_turn(Grown(kind="agent"), BODY)

        sending = Thread(target=send, daemon=True)
        sending.start()
        return sending

    def close(self) -> None:
        self.loop.run(self._disconnect())
        self.loop.close()


@pytest.fixture
def connection() -> Iterator[Connection]:
    made = Connection()
    yield made
    made.close()


def test_whoever_sends_more_than_the_other_side_takes_waits_for_it(connection: Connection) -> None:
    worker, runner = connection.worker, connection.runner
    sending = connection.send()
    wait_until(lambda: runner.is_behind and worker.is_full)
    assert sending.is_alive()
    for _ in range(MANY):
        said = runner.take(PATIENCE_S)
        assert said is not None
        assert (said[0], said[1].data) == (Grown(kind="agent"), BODY)
    sending.join(PATIENCE_S)
    assert not sending.is_alive()
    assert runner.take(0) is None


def test_whoever_waits_for_the_other_side_goes_on_when_that_has_gone(connection: Connection) -> None:
    worker, runner = connection.worker, connection.runner
    sending = connection.send()
    wait_until(lambda: runner.is_behind and worker.is_full)
    runner.close()
    sending.join(PATIENCE_S)
    assert worker.is_closed
    assert not sending.is_alive()


def test_whoever_sends_when_the_loop_has_closed_does_not_wait() -> None:
    loop = asyncio.new_event_loop()
    wire = Wire(None, loop, from_worker, lost_after_s=600.0)
    loop.close()

    def send() -> None:
        for _ in range(MANY):
            wire.put_in_turn(Grown(kind="agent"), BODY)

    sending = Thread(target=send, daemon=True)
    sending.start()
    sending.join(PATIENCE_S)
    assert not sending.is_alive()
    assert wire.is_closed
