"""What notices ask of the outside: to carry messages to addresses, and to run the user's command (SPEC 12)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

TRY_S = 5.0
TRIES = 3
PAUSE_S = 1.0
"""Before the second try; twice that before the third."""

ROUND_S = TRIES * TRY_S + 3 * PAUSE_S + 10.0
"""How long a round of messages may take, with the start of its process on a busy machine."""

LAST_S = 10.0
"""How long the last notice may take, once the run is over."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A message for one address. `channel` names it in what is reported; `url` is a secret.

    Without a `title` the address is just asked for, by GET.
    """

    channel: str
    url: str
    title: str = ""
    body: str = ""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What goes out at once: `letters`, and `event` for the user's command, whose channel is `COMMAND`."""

    letters: tuple[Letter, ...] = ()
    event: dict[str, Any] | None = None


COMMAND = "[notify] command"


class Errands(Protocol):
    """Runs errands in processes of their own, so that whatever hangs can be ended."""

    def run(self, sent: Round, within_s: float, give_up: Callable[[], bool]) -> dict[str, str]:
        """Send it all side by side; returns why each channel that failed did, in words without secrets."""
        ...

    def drop(self) -> None:
        """End at once what is being sent: the run is over, and its end waits for every process of it."""
        ...
