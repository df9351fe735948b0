"""Lets a stop announce itself, so that the code that runs a command need not poll for it (SPEC 6)."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from pitboss.core.stops import StopRequest

    WhyStop = Callable[[], StopRequest | None]
    Calling = Callable[[Callable[[], None]], AbstractContextManager[None]]


class AnnouncedStop:
    """Why a running command must end, if it must: a question that is worth asking only now and then.

    Within the context that `calling` makes, the callable it was given is called, in any thread, whenever the answer may
    have changed. `due_s` says in how many seconds time alone may change it.
    """

    def __init__(self, ask: WhyStop, calling: Calling, due_s: Callable[[], float] = lambda: inf) -> None:
        self._ask = ask
        self.calling = calling
        self.due_s = due_s

    def __call__(self) -> StopRequest | None:
        """The answer for now."""
        return self._ask()


def announced_like(stop: WhyStop, ask: WhyStop, due_s: Callable[[], float]) -> WhyStop:
    """`ask`, which includes what `stop` says: announced if that is, and due in `due_s()` seconds at the latest."""
    if not isinstance(stop, AnnouncedStop):
        return ask
    return AnnouncedStop(ask, stop.calling, lambda: min(stop.due_s(), due_s()))
