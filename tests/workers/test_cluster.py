"""The runner's way to its workers: begun once, or not at all (SPEC 14)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pitboss.errors import StorageError
from pitboss.workers.cluster import Cluster, Membership

if TYPE_CHECKING:
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
