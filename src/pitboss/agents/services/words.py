"""Knows what services and CLIs mean by their words, from tables in which the first match counts (SPEC 6).

`words.toml` in the folder of a CLI or of the services has a `[[row]]` for each thing said: `means` is a
core.session.Reason, `words` a case-insensitive regular expression, and `said` the sentences it was written for, which
test it. A CLI's rows come before those of the services, its `[[last]]` rows after them. `[codes]` are names of failures
as they appear in answers. `[[broken]]` are words said only about an answer that had begun.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache
from pathlib import Path

import msgspec

from pitboss.core.session import Reason
from pitboss.typed import from_builtins

SERVICES = "services"
"""What model services say, whichever CLI passes it on."""


_FLAGS = re.IGNORECASE | re.DOTALL | re.ASCII


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words and what they mean, with sentences in which they were said."""

    means: Reason
    words: str
    said: tuple[str, ...]


class Broken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A client's words for an answer that broke off, with sentences in which they were said."""

    words: str
    said: tuple[str, ...]


class Vocabulary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that one CLI or the services say; the rows in `last` count if no others match."""

    row: tuple[Row, ...] = ()
    last: tuple[Row, ...] = ()
    broken: tuple[Broken, ...] = ()
    codes: dict[str, Reason] = {}


@cache
def vocabulary(name: str) -> Vocabulary:
    """The vocabulary in the folder `name`; read once, when something has failed."""
    text = (Path(__file__).parent.parent / name / "words.toml").read_text("utf-8")
    return from_builtins(tomllib.loads(text), Vocabulary)


def meaning(words: str, cli: str | None = None) -> Reason | None:
    """What `words` mean in the vocabulary of `cli`, if any, or that of the services; None if neither knows."""
    return next((means for pattern, means in _patterns(cli) if pattern.search(words)), None)


def had_begun(words: str) -> bool:
    """Whether `words` are about an answer that broke off: its request was served, which may cost something."""
    return any(re.search(row.words, words, _FLAGS) for row in vocabulary(SERVICES).broken)


def meaning_of_code(code: str | None, cli: str | None = None) -> Reason | None:
    """What the name of a failure means, by the same vocabularies."""
    if code is None:
        return None
    own = vocabulary(cli).codes if cli is not None else {}
    return own.get(code) or vocabulary(SERVICES).codes.get(code)


@cache
def _patterns(cli: str | None) -> tuple[tuple[re.Pattern[str], Reason], ...]:
    own = Vocabulary() if cli is None else vocabulary(cli)
    rows = (*own.row, *vocabulary(SERVICES).row, *own.last)
    return tuple((re.compile(row.words, _FLAGS), row.means) for row in rows)
