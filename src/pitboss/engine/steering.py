"""Changes a live run at people's request: whether it is paused, and its caps (SPEC 10)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.events import CapsChanged, Paused, Unpaused, Warned
from pitboss.core.requests import Pause, Unpause
from pitboss.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.core.budget import Caps
    from pitboss.core.events import Observer
    from pitboss.core.requests import Letter, Received
    from pitboss.engine.journal import Journal
    from pitboss.engine.spending import Spending


class Steering:
    """Carries out letters, one at a time, and answers each by an event; `Control` calls `do` as it takes them in."""

    def __init__(self, spending: Spending, journal: Journal, emit: Observer) -> None:
        self._spending = spending
        self._journal = journal
        self._emit = emit
        self._paused = False

    @property
    def paused(self) -> bool:
        """Whether no new session may start for now."""
        return self._paused

    def do(self, what: Letter, letter: Received) -> None:
        """Carry out a letter. A change that cannot be written to disk still holds while the run lives."""
        match what:
            case Pause():
                self._pause(paused=True)
                self._emit(Paused(by=letter.by, request=letter.id))
            case Unpause():
                self._pause(paused=False)
                self._emit(Unpaused(by=letter.by, request=letter.id))
            case _:  # ChangeCaps
                caps = what.caps.over(self._spending.caps)
                self._cap(caps)
                self._emit(CapsChanged(caps=caps, by=letter.by, request=letter.id))

    def _pause(self, *, paused: bool) -> None:
        self._paused = paused
        self._written(lambda: self._journal.paused(paused=paused))

    def _cap(self, caps: Caps) -> None:
        self._spending.hold_to(caps)
        self._written(lambda: self._journal.capped(caps))

    def _written(self, write: Callable[[], None]) -> None:
        """A full disk must not end the thread that listens."""
        try:
            write()
        except StorageError as error:
            self._emit(Warned(text=f"a request could not be written down: {error.message}"))
