"""What a command does once everything is printed and the lock is free (SPEC 12)."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_acts: list[Callable[[Callable[[], bool]], None]] = []


def afterwards(act: Callable[[Callable[[], bool]], None]) -> None:
    """Have `act` called just before this process exits; it gets a question, whether to give up."""
    _acts.append(act)


def do_the_rest() -> None:
    """Do it all; Ctrl-C and the like ask it to give up. What an act raises changes nothing any more."""
    asked = False

    def hear(_signum: int, _frame: object) -> None:
        nonlocal asked
        asked = True

    if _acts:
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, hear)
    while _acts:
        with suppress(Exception):
            _acts.pop()(lambda: asked)
