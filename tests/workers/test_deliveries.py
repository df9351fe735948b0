"""Whole histories go to each worker once (SPEC 14)."""

from __future__ import annotations

import time
from threading import Barrier, Thread

import pytest

from pitboss.workers.deliveries import Deliveries


def test_sessions_that_begin_together_on_a_new_worker_have_its_history_delivered_once() -> None:
    deliveries, together = Deliveries(), Barrier(4)
    seen: list[tuple[str, ...]] = []

    def begin() -> None:
        asked_at = time.monotonic()
        together.wait()
        with deliveries.turn("rack", "c1", (), asked_at=asked_at) as has:
            seen.append(has)

    threads = [Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [(), ("c1",), ("c1",), ("c1",)]


def test_what_a_worker_says_it_has_counts_also_that_it_has_nothing_any_longer() -> None:
    deliveries = Deliveries()
    with deliveries.turn("rack", "c1", (), asked_at=time.monotonic()) as has:
        assert has == ()
    with deliveries.turn("rack", "c2", (), asked_at=time.monotonic()) as has:
        assert has == ()
    with deliveries.turn("rack", "c3", ("c2",), asked_at=time.monotonic()) as has:
        assert has == ("c2",)


def test_a_delivery_that_failed_is_none() -> None:
    deliveries, before = Deliveries(), time.monotonic()
    with pytest.raises(OSError, match="full"), deliveries.turn("rack", "c1", (), asked_at=before):
        raise OSError("full")
    with deliveries.turn("rack", "c1", (), asked_at=before) as has:
        assert has == ()
    with deliveries.turn("desk", "c1", (), asked_at=before) as has:
        assert has == ()
