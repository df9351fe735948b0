"""What a form of the web page asks a run for: its fields become a request, or it says what is wrong (SPEC 10)."""

from __future__ import annotations

import math
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pitboss.core.budget import CapChanges
from pitboss.core.deadline import parse_until
from pitboss.core.fields import MAX_COUNT, MAX_TOKENS
from pitboss.core.requests import ChangeCaps, Pause, Request, Skip, Stop, Unpause
from pitboss.screens.web.forms import BadForm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

BY = "serve"
"""Who asks: the command whose page this is."""

T = TypeVar("T")

_NO_CAP = "none"


class Action(StrEnum):
    """What may be asked for, as forms say it."""

    PAUSE = "pause"
    UNPAUSE = "unpause"
    STOP = "stop"
    SKIP = "skip"
    QUEUE = "queue"
    BUDGET = "budget"


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a person is asked before anything happens."""

    title: str
    details: str
    button: str
    danger: bool = False


QUESTIONS: Mapping[Action, Question] = {
    Action.PAUSE: Question(
        title="Pause the run?",
        details="Sessions in flight finish. No new session starts until it is unpaused.",
        button="Pause",
    ),
    Action.UNPAUSE: Question(
        title="Let the run go on?", details="Sessions start again at once.", button="Unpause"
    ),
    Action.STOP: Question(
        title="Stop the run?",
        details="It can be resumed with pitboss grind --resume.",
        button="Stop",
        danger=True,
    ),
    Action.SKIP: Question(
        title="Skip a session?",
        details="Its agent is ended, its work is rescued. The run goes on with the next session.",
        button="Skip",
        danger=True,
    ),
    Action.QUEUE: Question(
        title="Queue a task",
        details="It runs once, before the rotation goes on. Without a live run, the next one takes it.",
        button="Queue it",
    ),
    Action.BUDGET: Question(
        title="Change budgets",
        details="They count from the run's next check on, for the whole run. Leave empty what stays; none lifts a cap.",
        button="Change",
    ),
}


def action_of(fields: Mapping[str, str]) -> Action:
    """What a form or a link is about. Raises BadForm."""
    said = fields.get("action", "")
    if said not in list(Action):
        raise BadForm(f"an action is one of {', '.join(Action)}")
    return Action(said)


def task_of(fields: Mapping[str, str]) -> str:
    """The text of a task. Raises BadForm."""
    text = fields.get("text", "").replace("\r\n", "\n").strip()
    if not text:
        raise BadForm("a task needs a text")
    if "\0" in text:
        raise BadForm("a task is text: it has no NUL byte")
    return text


_LABELS = {"max_iterations": "sessions", "max_cost_usd": "cost", "max_tokens": "tokens"}
"""What the form calls its fields, where they have another name."""


def request_of(action: Action, fields: Mapping[str, str]) -> Request:
    """What to ask the run for. Raises BadForm."""
    match action:
        case Action.PAUSE:
            return Pause()
        case Action.UNPAUSE:
            return Unpause()
        case Action.STOP:
            return Stop(now=fields.get("now", "") not in ("", "0"))
        case Action.SKIP:
            return Skip(seq=_read("the session", fields.get("seq", ""), _whole(MAX_COUNT)))
        case _:
            return ChangeCaps(caps=_caps(fields))


def _caps(fields: Mapping[str, str]) -> CapChanges:
    readers: Mapping[str, Callable[[str], object]] = {
        "max_iterations": _whole(MAX_COUNT),
        "max_cost_usd": _dollars,
        "max_tokens": _whole(MAX_TOKENS),
        "until": lambda text: parse_until(text, datetime.now()),  # noqa: DTZ005 - the machine's zone
    }
    given = {**fields, "max_cost_usd": fields.get("max_cost_usd") or fields.get("max_cost", "")}
    asked = {name: given.get(name, "").strip() for name in readers}
    changes = {
        name: None if text.lower() == _NO_CAP else _read(name, text, readers[name])
        for name, text in asked.items()
        if text
    }
    if not changes:
        raise BadForm("fill in at least one budget")
    return CapChanges(**changes)  # type: ignore[arg-type] # each is read by its own reader


def _read(name: str, text: str, reader: Callable[[str], T]) -> T | None:
    if not text:
        return None
    try:
        return reader(text)
    except ValueError as error:
        raise BadForm(f"{_LABELS.get(name, name)}: {error}") from error


def _whole(most: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= most):
            raise ValueError(f"expected a whole number up to {most}")
        return int(text)

    return read


def _dollars(text: str) -> float:
    try:
        amount = float(text.removeprefix("$")) if text.isascii() else math.nan
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount) or amount < 0:
        raise ValueError("expected an amount of US dollars")
    return amount
