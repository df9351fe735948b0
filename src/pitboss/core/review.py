"""What a person thinks of a landed session: its mark in review.json (SPEC 11)."""

from __future__ import annotations

from enum import StrEnum


class Mark(StrEnum):
    """A person's word on a landed session. One without a mark was not looked at, or not decided."""

    ACCEPT = "accept"
    LEAVE = "leave"
    """`land` leaves it out."""
