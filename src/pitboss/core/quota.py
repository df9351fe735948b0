"""How much of its subscription an agent has used (SPEC 6)."""

import msgspec


class QuotaWindow(msgspec.Struct, frozen=True, kw_only=True):
    """One window of a subscription: the share used (1.0 is all of it), and when it resets, in epoch seconds."""

    used: float
    resets_at: float | None = None


class Quota(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent reports about its subscription's limits; None for a window it did not mention.

    `other` is the fullest window of any other length, a month for example.
    """

    five_hour: QuotaWindow | None = None
    seven_day: QuotaWindow | None = None
    other: QuotaWindow | None = None
