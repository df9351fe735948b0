"""What a request asks of a model and what the model answers, in the words of no vendor."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Protocol

import msgspec

GREETING = "hello from a model\n"
PLAN, LAST_WORD, ASIDE = "I will write the file.", "Done: wrote hello.txt.", "ok"


class Trouble(StrEnum):
    """Why a service refuses a request."""

    RATE = "rate"
    USAGE = "usage"
    OVERLOADED = "overloaded"
    AUTH = "auth"


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """What one answer costs: `input` with what came from or went to a cache, `output` with the reasoning."""

    input: int
    output: int
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that the model wants run; `freeform` tools take one text, `arguments["input"]`."""

    tool: str
    arguments: dict[str, Any]
    freeform: bool = False


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One request: the model, the JSON schemas of the tools it offers, and whether a tool has answered already.

    `text` is the whole request, `spaces` the namespace of each tool that has one.
    `code_mode` is Codex's own: its one tool is `exec`, which runs JavaScript.
    """

    model: str
    text: str
    tools: dict[str, dict[str, Any]]
    answered: bool
    streaming: bool
    counts_in_stream: bool = True
    code_mode: bool = False
    spaces: dict[str, str] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the model says, the tool it wants run, and what that costs."""

    text: str
    call: Call | None
    tokens: Tokens


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """An HTTP answer that is no answer of the model."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = {}


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """An answer as server-sent events; a connection that is cut breaks off between the two halves."""

    first: list[str]
    rest: list[str]


class Wire(Protocol):
    """One vendor's way to say all that."""

    @staticmethod
    def serves(path: str) -> bool:
        """Whether a request to `path` is one to a model."""
        ...

    @staticmethod
    def asked(path: str, body: dict[str, Any], text: str) -> Asked:
        """What a request asks."""
        ...

    @staticmethod
    def stream(asked: Asked, answer: Answer) -> Stream:
        """The answer in events."""
        ...

    @staticmethod
    def whole(asked: Asked, answer: Answer) -> dict[str, Any]:
        """The answer in one piece."""
        ...

    @staticmethod
    def refusal(trouble: Trouble, resets_at: int) -> Refusal:
        """What the vendor says instead of an answer; a usage limit ends at `resets_at`, epoch seconds."""
        ...

    @staticmethod
    def gauge(resets_at: int) -> dict[str, str]:
        """Headers of answers that tell how much of a subscription is used."""
        ...


def event(data: dict[str, Any] | str, name: str | None = None) -> str:
    """One server-sent event."""
    text = data if isinstance(data, str) else msgspec.json.encode(data).decode()
    return ("" if name is None else f"event: {name}\n") + f"data: {text}\n\n"


def halves(text: str) -> tuple[str, str]:
    """A text as it is streamed: in two parts."""
    middle = max(1, len(text) // 2)
    return text[:middle], text[middle:]
