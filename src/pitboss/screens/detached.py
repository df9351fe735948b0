"""The display of a run without a terminal: its starter sees the beginning, a file gets the rest (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pitboss.core.events import RunEvent, RunStarted, SessionStarted
from pitboss.screens.plain import PlainProgress

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.redact import Secrets


class Rest(Protocol):
    """Where the rest goes."""

    def keep_small(self) -> None:
        """Bound what it takes up."""
        ...


class DetachedProgress(PlainProgress):
    """Plain lines; right after those that say that the run is live it calls `go_over`, once.

    A resumed run is live when it starts a session: until then it settles those that were cut short, and may refuse.
    """

    def __init__(self, go_over: Callable[[], Rest], secrets: Secrets) -> None:
        super().__init__()
        self._go_over = go_over
        self._secrets = secrets
        self._rest: Rest | None = None

    def __call__(self, event: RunEvent) -> None:
        """Print the event, if it is worth a line."""
        super().__call__(event)
        if self._rest is not None:
            self._rest.keep_small()
        elif isinstance(event, SessionStarted) or (isinstance(event, RunStarted) and not event.resumed):
            self._rest = self._go_over()

    def print(self, line: str) -> None:
        """Print one line; a file that stays is no place for a secret."""
        super().print(self._secrets.redact(line))
