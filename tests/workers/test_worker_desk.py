"""A worker leaves when its sessions have kept what they did, or within one limit for all of them (SPEC 14)."""

from __future__ import annotations

import time
from threading import Event, Thread

from pitboss.workers.worker_desk import join_by

SESSIONS = 40
LIMIT_S = 0.5


def test_sessions_that_do_not_end_are_waited_for_together() -> None:
    ends = Event()
    threads = [Thread(target=ends.wait, daemon=True) for _ in range(SESSIONS)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    join_by(began + LIMIT_S, threads)
    assert all(thread.is_alive() for thread in threads)
    assert LIMIT_S <= time.monotonic() - began < SESSIONS * LIMIT_S / 2
    ends.set()
    join_by(time.monotonic() + 60.0, threads)
    assert not any(thread.is_alive() for thread in threads)
