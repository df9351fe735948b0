"""The kinds of command-line values, with readable error messages (SPEC 8)."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

import click


class Whole(click.ParamType[int]):
    """A whole number, at least `least`."""

    name = "number"

    def __init__(self, least: int, most: int | None = None) -> None:
        self._least = least
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number."""
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is not a whole number", param, ctx)
        if number < self._least:
            self.fail(f"{number} is too small: at least {self._least}", param, ctx)
        if self._most is not None and number > self._most:
            self.fail(f"{number} is too large: at most {self._most}", param, ctx)
        return number


class Money(click.ParamType[float]):
    """US dollars: a finite number, at least 0; infinity or NaN would disable a cap."""

    name = "usd"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the amount."""
        try:
            amount = float(value)
        except ValueError:
            amount = math.nan
        if not math.isfinite(amount) or amount < 0:
            self.fail(f"{value!r} is not an amount of US dollars", param, ctx)
        return amount


class Until(click.ParamType[datetime]):
    """A time: RFC 3339, `23:30` (local time) or `8h`."""

    name = "time"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Return the instant in UTC."""
        from pitboss.core.deadline import parse_until

        if isinstance(value, datetime):
            return value
        try:
            return parse_until(str(value), datetime.now().astimezone())
        except ValueError as error:
            self.fail(str(error), param, ctx)


class OrNone(click.ParamType[Any]):
    """A value of another kind, or a word that stands for no value."""

    def __init__(self, kind: click.ParamType[Any], none: str) -> None:
        self.name = kind.name
        self._kind = kind
        self._none = none

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value, or the word."""
        return value if value == self._none else self._kind.convert(value, param, ctx)
