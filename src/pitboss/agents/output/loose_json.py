"""Finds the JSON objects on a line of an agent's output, whatever else the line holds (SPEC 6).

A line should hold one object and nothing else. But shells print titles and prompts before it, two writers share a
line, a program pads with NUL bytes, and JavaScript writes what the standard does not allow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

MOST_TRIES = 64
"""How many positions on a line are tried as the start of an object: noise full of braces must stay cheap."""

_BLANK = b" \t\r\0\xef\xbb\xbf"
"""What may surround an object: blanks, padding, and a byte order mark."""

_OPENING = lazy_pattern(r'\{\s*"')
_FOR_A_TERMINAL = lazy_pattern(r"\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)|\0")
"""Titles and the like, whose text may look like an object, and padding."""

_COLORS = lazy_pattern(r"\x1b\[[0-?]*[ -/]*[@-~]")

_INSIDE = lazy_pattern(r"[:,\[]\s*$")
"""What precedes an object that is part of another one."""


def objects_on(line: bytes) -> Iterator[dict[str, Any]]:
    """Yield the complete outermost objects, in order; never raises."""
    bare = line.strip(_BLANK)
    if bare.startswith(b"{"):
        text = bare.decode("utf-8", "replace")
        try:
            yield msgspec.json.decode(text, type=dict[str, Any])
        except (msgspec.DecodeError, RecursionError):
            yield from _glued(text)
    elif b"{" in bare:
        yield from _glued(bare.decode("utf-8", "replace"))


def _glued(text: str) -> Iterator[dict[str, Any]]:
    """The objects between noise; if there is none, those in colors."""
    text = _FOR_A_TERMINAL.sub("", text)
    found = list(_between_noise(text))
    yield from found or (_between_noise(_COLORS.sub("", text)) if "\x1b[" in text else ())


def _between_noise(text: str) -> Iterator[dict[str, Any]]:
    """The objects, also as only JavaScript accepts them as JSON: with half a surrogate pair, tabs, NaN."""
    import json

    # A whole number may have more digits than Python makes an `int` of.
    decoder = json.JSONDecoder(strict=False, parse_int=float)
    opening, tries = _OPENING.search(text), 0
    while opening is not None and tries < MOST_TRIES:
        tries += 1
        start = opening.start()
        try:
            found, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            opening = _after_torn(text, start, error.pos)
        except RecursionError:
            return
        else:
            yield _whole_characters(found)
            opening = _OPENING.search(text, end)


def _after_torn(text: str, start: int, broke_at: int) -> re.Match[str] | None:
    """Where the next object may begin, after one that began at `start` and is unreadable beyond `broke_at`.

    Another writer's object may sit inside the torn one; the torn one's own parts are skipped.
    """
    inside = [
        each for each in _OPENING.finditer(text, start + 1, broke_at) if not _belongs(text, each.start())
    ]
    return inside[-1] if inside else _OPENING.search(text, max(broke_at, start + 1))


def _belongs(text: str, at: int) -> bool:
    return _INSIDE.search(text, max(0, at - 8), at) is not None


def _whole_characters(value: Any) -> Any:
    """`value` with `?` in place of each lone surrogate, which no file could hold."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_whole_characters(key): _whole_characters(each) for key, each in value.items()}
        case list():
            return [_whole_characters(each) for each in value]
        case _:
            return value
