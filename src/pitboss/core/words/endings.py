"""How a run ended, as people say it; state.json has the program's own words (SPEC 4, 5, 8)."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pitboss.core.digits import number_in
from pitboss.core.embed import one_line
from pitboss.core.measures import money, tokens
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from pitboss.core.measures import ClockFace

_WORDS = {"completed": "finished", "aborted": "stopped"}
_LIMIT = lazy_pattern(r"(max-iterations|max-tokens|max-cost|until) reached: (\S+) >= (\S+)")
_ON_REQUEST = {"drained on request": "on request", "aborted on request": "at once, on request"}


def word(status: str) -> str:
    """`finished` or `stopped`; any other condition goes by its own name."""
    return _WORDS.get(status, status)


def ending(status: str, reason: str | None, clock: ClockFace) -> str:
    """`stopped at its limit: 2 of 2 sessions`, `stopped on request`, `finished: every prompt has had its runs`.

    `clock` writes a time.
    """
    words = why(reason, clock)
    if not words:
        return word(status)
    follows = words.startswith(("at its limit", *_ON_REQUEST.values()))
    return f"{word(status)}{' ' if follows else ': '}{words}"


def why(reason: str | None, clock: ClockFace) -> str:
    """Why a run stopped, for people; empty when the run did not say."""
    text = one_line(reason or "")
    if limit := _LIMIT.fullmatch(text):
        return f"at its limit: {_limit(limit[1], limit[2], limit[3], clock)}"
    return _ON_REQUEST.get(text, text)


def _limit(cap: str, used: str, most: str, clock: ClockFace) -> str:
    match cap:
        case "max-iterations":
            return f"{used} of {most} session{'' if most == '1' else 's'}"
        case "max-tokens":
            return f"{_tokens(used)} of {_tokens(most)} tokens"
        case "until":
            return _time(most, clock)
        case _:
            return f"{_money(used)} of {_money(most)}"


def _tokens(count: str) -> str:
    number = number_in(count)
    return count if number is None else tokens(number)


def _money(usd: str) -> str:
    """An amount as state.json has it, `$1.2000`, for people."""
    try:
        return money(float(usd.removeprefix("$")))
    except ValueError:
        return usd


def _time(stamp: str, clock: ClockFace) -> str:
    try:
        return clock(datetime.fromisoformat(stamp))
    except ValueError:
        return stamp
