"""Whole numbers in text that anybody may have written: Python makes no number of more than 4,300 digits."""

from __future__ import annotations

_MOST_DIGITS = 18
"""As many as 64 bits always hold; no count, session or place in a file has more."""


def number_in(text: str) -> int | None:
    """The number that these ASCII digits spell; None for anything else, or for more digits than any number here has."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else None
