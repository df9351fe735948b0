"""The runner's way to its workers: begun once, or not at all (SPEC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.errors import StorageError
from pitboss.workers.cluster import Cluster, Membership
from tests.support.cli import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.workers.roster import WorkerInfo


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
