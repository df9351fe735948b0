"""The runner's way to its workers: begun once, or not at all (SPEC 14)."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from pitboss.errors import StorageError
from pitboss.store.tls_files import make_tls_files
from pitboss.workers.cluster import Cluster, Membership, members
from pitboss.workers.messages import VERSION
from pitboss.workers.roster import WorkerFacts, WorkerInfo
from tests.support.cli import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_what_could_not_begin_is_begun_by_the_next_call(tmp_path: Path) -> None:
    in_the_way = tmp_path / "run"
    in_the_way.write_text("")
    where = Membership(address="tcp://127.0.0.1:1")
    cluster = Cluster(where, tmp_path / "workers", in_the_way / "workers.json")
    for _ in range(2):
        with pytest.raises(StorageError):
            cluster.workers()
    in_the_way.unlink()
    in_the_way.mkdir()
    assert cluster.workers() == ()
    assert (in_the_way / "workers.json").exists()
    cluster.close()


def test_a_listener_that_fails_once_hears_of_the_next_look(tmp_path: Path) -> None:
    cluster = Cluster(Membership(address="local:1"), tmp_path / "workers", tmp_path / "workers.json")
    heard: list[int] = []

    def listen(workers: tuple[WorkerInfo, ...]) -> None:
        heard.append(len(workers))
        if len(heard) == 1:
            raise RuntimeError("can't start new thread")

    cluster.listener = listen
    try:
        assert cluster.workers() == ()
        wait_until(lambda: len(heard) > 1)
        assert len(cluster.workers()) == 1
    finally:
        cluster.close()


class HangsUp:
    """Listens on a port of this machine, and ends each connection before TLS begins."""

    def __init__(self, listener: socket.socket) -> None:
        self.port = int(listener.getsockname()[1])
        self.callers = 0
        self._listener = listener

    def serve(self) -> None:
        """Until the listener is closed."""
        with suppress(OSError):
            while True:
                self._listener.accept()[0].close()
                self.callers += 1


@contextmanager
def _hanging_up() -> Iterator[HangsUp]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = HangsUp(listener)
        serving = Thread(target=made.serve)
        serving.start()
        try:
            yield made
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            serving.join()


def test_whoever_goes_before_tls_begins_is_out_of_reach_and_asked_again(tmp_path: Path) -> None:
    tls = tmp_path / "tls"
    tls.mkdir()
    make_tls_files(tls, datetime.now(UTC))
    with _hanging_up() as there:
        where = Membership(address=f"tls://127.0.0.1:{there.port}", tls=str(tls))
        facts = WorkerFacts(version="", messages=VERSION, slots=1, pid=0, host="", port=there.port)
        worker = WorkerInfo(name="a", address=where.address, last_seen=0.0, facts=facts, answering=True)
        cluster = Cluster(where, tmp_path / "workers", tmp_path / "workers.json")
        try:
            for _ in range(8):
                with pytest.raises(OSError):  # noqa: PT011 - dask's own
                    cluster.connect(worker, 60.0, 10.0)
                with pytest.raises(OSError):  # noqa: PT011 - dask's own
                    members(where)
            before = there.callers
            wait_until(lambda: there.callers > before + 10)
        finally:
            cluster.close()
