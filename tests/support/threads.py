"""Threads that the system does not start."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest


def only_so_many(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the system start this many threads."""
    left, start = [None] * threads, Thread.start

    def start_if_any(thread: Thread) -> None:
        if not left:
            raise RuntimeError("can't start new thread")
        left.pop()
        start(thread)

    monkeypatch.setattr(Thread, "start", start_if_any)
