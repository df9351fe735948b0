"""The clock of the engine, passed in so that tests need not wait."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from threading import Event


class Clock(Protocol):
    """The time as the engine sees it."""

    def now(self) -> datetime:
        """The time of day, in UTC; it jumps when the clock is set, and keeps going while the machine sleeps."""
        ...

    def elapsed_s(self) -> float:
        """Seconds since some moment in the past; it never jumps."""
        ...

    def sleep(self, seconds: float, unless: Event) -> None:
        """Wait for that many seconds, or until the event is set."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """The time of day, in UTC."""
        return datetime.now(UTC)

    def elapsed_s(self) -> float:
        """Seconds since this machine started."""
        return time.monotonic()

    def sleep(self, seconds: float, unless: Event) -> None:
        """Let this thread sleep."""
        unless.wait(seconds)
