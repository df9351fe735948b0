"""What people may ask of a live run, as frozen values; `core.answers` is what it may say to that (SPEC 5, 6, 10)."""

from __future__ import annotations

import msgspec

from pitboss.core.budget import CapChanges


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="stop"):
    """End once the sessions in flight have ended; `now`: stop them."""

    now: bool = False


class Skip(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="skip"):
    """Stop session `seq`, or all those in flight, and go on with the next."""

    seq: int | None = None


class Pause(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="pause"):
    """Start no new session; those in flight finish, and the run stays live."""


class Unpause(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="unpause"):
    """Start sessions again."""


class ChangeCaps(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="budget"):
    """Hold what the run uses against other caps from now on."""

    caps: CapChanges


Letter = Pause | Unpause | ChangeCaps
"""A request with content: a file of its own, so that several are done in the order in which they were sent."""

Request = Stop | Skip | Letter


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """A request as a run receives it: its `id`, which the answering event repeats, and which command sent it."""

    what: Request
    id: str
    by: str = ""
