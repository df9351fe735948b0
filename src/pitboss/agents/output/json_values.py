"""Takes values out of an agent's unchecked JSON: anything unexpected counts as absent."""

from __future__ import annotations

import math
import re
from datetime import datetime
from typing import Any

import msgspec

from pitboss.core.patterns import lazy_pattern

COUNT_LIMIT = 2**53
"""More tokens than this are garbage, not usage; JSON numbers are exact up to here."""


LONGEST_NUMBER = 24
"""How many characters of a text may be a number."""

_DECIMAL = lazy_pattern(r"\d+(?:\.\d+)?", re.ASCII)


def object_in(text: str | bytes | None) -> dict[str, Any]:
    """The object that a whole text is as JSON, or an empty one."""
    whole = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    try:
        return msgspec.json.decode(whole or "", type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}


def table(source: dict[str, Any], key: str) -> dict[str, Any]:
    """The object at `key`, or an empty one."""
    value = source.get(key)
    return value if isinstance(value, dict) else {}


def objects(source: dict[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects in the array at `key`."""
    value = source.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def word(source: object, key: str) -> str | None:
    """The non-empty text at `key`, or None."""
    value = source.get(key) if isinstance(source, dict) else None
    return value if isinstance(value, str) and value else None


def number(source: dict[str, Any], key: str) -> float | None:
    """The finite number at `key`, which some write as text, as Protocol Buffers do."""
    value = source.get(key)
    if isinstance(value, str) and len(value) <= LONGEST_NUMBER and _DECIMAL.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > COUNT_LIMIT:
        return None
    return float(value) if math.isfinite(value) else None


def amount(source: dict[str, Any], key: str) -> float | None:
    """The number at `key` if it is not negative."""
    value = number(source, key)
    return value if value is not None and value >= 0 else None


def count(source: dict[str, Any], key: str) -> int:
    """The whole number at `key` if it is not negative, else 0."""
    value = amount(source, key)
    return 0 if value is None else int(value)


def epoch(written: str | None) -> float | None:
    """A time as ISO 8601 writes it, in epoch seconds; None if it is none."""
    try:
        return datetime.fromisoformat(written or "").timestamp()
    except (ValueError, OverflowError):
        return None
