"""What a live run may answer to a request, as frozen values (SPEC 5, 6, 10)."""

from __future__ import annotations

import msgspec

from pitboss.core.events import Aborting, CapsChanged, Draining, Paused, Skipping, Unpaused

Deed = Draining | Aborting | Skipping | Paused | Unpaused | CapsChanged
"""What a run does because it was asked to."""


class Granted(msgspec.Struct, frozen=True, kw_only=True):
    """The run does what it was asked for."""

    deed: Deed


class Declined(msgspec.Struct, frozen=True, kw_only=True):
    """The run refused the request, and why, in a sentence."""

    why: str


class NotLive(msgspec.Struct, frozen=True, kw_only=True):
    """No process works on the run, or the last one ended before it answered: nothing was or will be done."""


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """The run is live and has not answered. A request that `waits` counts once the run looks into its mailbox."""

    waits: bool


Answer = Granted | Declined | NotLive | Silence
