"""The ids of queued tasks: the names of their files, short, and sorted by age (SPEC 10)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

_ID = lazy_pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_DIGITS = "0123456789abcdefghjkmnpqrstvwxyz"
"""Base 32, without letters that look like digits or like each other."""

_MADE_ID = lazy_pattern(f"[{_DIGITS}]{{7}}")
_PER_SECOND = 32
_EPOCH = datetime(2020, 1, 1, tzinfo=UTC)


def is_task_id(name: str) -> bool:
    """Whether the name of a file, without its suffix, may be the id of a task."""
    return _ID.fullmatch(name) is not None


def made_id(now: datetime, others: Iterable[str]) -> str:
    """An id for a task that is queued `now`: later in order than all `others` that were made here."""
    made = (_number(other) for other in others if _MADE_ID.fullmatch(other))
    number = max(int((now - _EPOCH).total_seconds() * _PER_SECOND), *(n + 1 for n in made), 0)
    digits = ""
    while number or len(digits) < 7:
        number, digit = divmod(number, len(_DIGITS))
        digits = _DIGITS[digit] + digits
    return digits


def _number(task_id: str) -> int:
    number = 0
    for digit in task_id:
        number = number * len(_DIGITS) + _DIGITS.index(digit)
    return number
