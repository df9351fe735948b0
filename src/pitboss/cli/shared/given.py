"""The kinds of command-line values: what a word means, with readable error messages (SPEC 8)."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    import click

    from pitboss.core.seq_choice import SeqChoice

NO_CAP = "none"
"""The word that lifts a cap on the command line."""


class ValueKind:
    """A kind of value. Its `parse` raises ValueError for a word that is none, saying what is wrong with it."""

    def __init__(
        self,
        name: str,
        parse: Callable[[str], Any],
        of_click: Callable[[], click.ParamType[Any]] | None = None,
    ) -> None:
        self.name = name
        self.parse = parse
        self._of_click = of_click

    def as_click(self) -> click.ParamType[Any]:
        """The same kind for click; `of_click`, if click has one that says and completes more."""
        if self._of_click is not None:
            return self._of_click()
        from pitboss.cli.shared.kinds import Parsed

        return Parsed(self.name, self.parse)


def whole(least: int, most: int | None = None) -> ValueKind:
    """A whole number from `least` to `most`."""

    def parse(word: str) -> int:
        try:
            number = int(word)
        except ValueError:
            raise ValueError(f"{word!r} is not a whole number") from None
        if number < least:
            raise ValueError(f"{number} is too small: at least {least}")
        if most is not None and number > most:
            raise ValueError(f"{number} is too large: at most {most}")
        return number

    return ValueKind("number", parse)


def or_none(kind: ValueKind) -> ValueKind:
    """A value of another kind, or `none`."""
    return ValueKind(kind.name, lambda word: word if word == NO_CAP else kind.parse(word))


def one_of(*words: str) -> ValueKind:
    """One of a few fixed words."""

    def parse(word: str) -> str:
        if word not in words:
            raise ValueError(f"{word!r} is not one of {', '.join(words)}")
        return word

    def choice() -> click.ParamType[Any]:
        import click

        return click.Choice([str(word) for word in words])  # of an enum it would take the names

    return ValueKind("word", parse, choice)


def _amount(word: str) -> float:
    try:
        amount = float(word)
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount) or amount < 0:
        raise ValueError(f"{word!r} is not an amount of US dollars")
    return amount


def _moment(word: str) -> datetime:
    """The instant in UTC."""
    from datetime import datetime

    from pitboss.core.deadline import parse_until

    return parse_until(word, datetime.now())  # noqa: DTZ005 - the machine's zone


def _age(word: str) -> timedelta:
    from datetime import timedelta

    from pitboss.core.deadline import parse_age

    age_s = parse_age(word)
    if age_s is None:
        raise ValueError(f"{word!r} is not an age such as 30d, 12h or 1h30m")
    return timedelta(seconds=age_s)


def _named(word: str) -> str:
    if not word:
        raise ValueError("must not be empty")
    return word


def _path_for_click(*, file_okay: bool) -> click.ParamType[Any]:
    import pathlib

    import click

    class NamedPath(click.Path):
        """Refuses the empty word, such as an unset variable: it would mean the folder that this is called in."""

        def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
            if value == "":
                self.fail("must not be empty", param, ctx)
            return super().convert(value, param, ctx)

    return NamedPath(path_type=pathlib.Path, file_okay=file_okay)


def _readable(word: str, *, folder: bool) -> object:
    """The path, if click would have nothing to say against it."""
    from pathlib import Path

    if not os.access(word, os.R_OK) or (folder and not Path(word).is_dir()):
        raise ValueError(f"{word!r} cannot be read")
    return Path(word)


money = ValueKind("usd", _amount)
"""US dollars: a finite number, at least 0; infinity or NaN would disable a cap."""

moment = ValueKind("time", _moment)
"""A time to stop at: RFC 3339, `23:30` (local time) or `8h`."""

age = ValueKind("age", _age)
"""How long ago: `30d`, `12h` or `1h30m`."""

path = ValueKind("path", lambda word: _readable(word, folder=False), lambda: _path_for_click(file_okay=True))
"""The path of a file or folder."""

new_file = ValueKind("file", _named)
"""The name of a file to write."""

folder = ValueKind(
    "folder", lambda word: _readable(word, folder=True), lambda: _path_for_click(file_okay=False)
)
"""The path of a folder, which need not exist yet."""


def _seqs(word: str) -> SeqChoice:
    from pitboss.core.seq_choice import parse_seqs

    return parse_seqs(word)


seqs = ValueKind("numbers", _seqs)
"""Session numbers and ranges of them: `3,5-7`."""


def _cluster(word: str) -> str:
    from pitboss.core.cluster import NO_WORKERS, parse_cluster

    return word if word == NO_WORKERS else str(parse_cluster(word))


def _scheduler(word: str) -> str:
    from pitboss.core.cluster import parse_scheduler

    return str(parse_scheduler(word))


def _worker_name(word: str) -> str:
    from re import fullmatch

    if fullmatch(r"[A-Za-z0-9._@:-]{1,100}", word) is None:
        raise ValueError(f"{word!r} cannot be a name: use up to 100 letters, digits and . _ - @ :")
    return word


worker_name = ValueKind("name", _worker_name)
"""What a worker is called: `rack-3`."""

cluster = ValueKind("address", _cluster)
"""Where a run's workers are: `local:3`, `tls://HOST:8786`, or `none`."""

scheduler = ValueKind("address", _scheduler)
"""The scheduler of workers: `tls://HOST:8786`."""
