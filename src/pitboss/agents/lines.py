"""Cuts an agent's output, whatever its bytes, into lines and JSON objects in bounded memory (SPEC 6).

Agents print anything: lines without end, invalid UTF-8, half a line when they are killed. What is too long
or not JSON is left out of what pitboss reads; the transcript keeps every byte.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LINE_LIMIT = 4 * 1024 * 1024
"""Bytes a line may have; a longer one is dropped, never buffered."""

_BLANK = b" \t\r\xef\xbb\xbf"
"""What may stand before an object: blanks, and the mark that some programs begin a file with."""

DETAIL_LIMIT = 300
"""Characters of an agent's words that go into a reason."""

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?"  # colors, movements
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0e-\x1a\x7f-\x84\x86-\x9f]"
)
"""What a terminal obeys instead of showing it; line ends and blanks are not among it."""


class LineSplitter:
    """Turns chunks into complete lines without their newline; lines over `limit` bytes are dropped."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._partial = bytearray()
        self._too_long = False

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that `chunk` completes."""
        first, *others = chunk.split(b"\n")
        self._hold(first)
        if others:
            yield from self.finish()
            yield from (line for line in others[:-1] if line and len(line) <= self._limit)
            self._hold(others[-1])

    def finish(self) -> Iterator[bytes]:
        """Yield what is held as a line: at a newline, and for a last line that has none."""
        line, dropped = bytes(self._partial), self._too_long
        self._partial.clear()
        self._too_long = False
        if line and not dropped:
            yield line

    def _hold(self, piece: bytes) -> None:
        if self._too_long or len(self._partial) + len(piece) > self._limit:
            self._partial.clear()
            self._too_long = True
        else:
            self._partial += piece


class JsonLines:
    """Turns chunks into the JSON objects of the lines that hold one; every other line is passed over."""

    def __init__(self) -> None:
        self._lines = LineSplitter()

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """Yield the objects whose lines `chunk` completes."""
        return self._objects(self._lines.feed(_without_noise(chunk)))

    def finish(self) -> Iterator[dict[str, Any]]:
        """Yield the object of a last line without newline, if it is whole."""
        return self._objects(self._lines.finish())

    def _objects(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        for line in lines:
            text = line.lstrip(_BLANK)
            if text.startswith(b"{"):
                yield from _decoded(text)


def _without_noise(chunk: bytes) -> bytes:
    """`chunk` without the lines between its first and last newline if none holds an object.

    A flood of short lines that are not JSON is then as cheap as one long line.
    """
    if b"{" in chunk or b"\n" not in chunk:
        return chunk
    return chunk[: chunk.index(b"\n") + 1] + chunk[chunk.rindex(b"\n") + 1 :]


def _decoded(line: bytes) -> Iterator[dict[str, Any]]:
    text = line.decode("utf-8", "replace")
    try:
        yield msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        yield from _decoded_leniently(text)


def _decoded_leniently(text: str) -> Iterator[dict[str, Any]]:
    """What JavaScript takes for JSON and the standard does not: half of a surrogate pair, control characters, NaN."""
    import json

    try:
        found = json.loads(text, strict=False)
        if isinstance(found, dict):
            yield _whole_characters(found)
    except (ValueError, RecursionError):
        return


def _whole_characters(value: Any) -> Any:
    """`value` with `?` for each half of a character in it: no file could hold it."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case dict():
            return {_whole_characters(key): _whole_characters(each) for key, each in value.items()}
        case list():
            return [_whole_characters(each) for each in value]
        case _:
            return value


def last_line(output: bytes) -> str | None:
    """The last line of `output` that says something, shortened for a reason; None when there is none."""
    for line in reversed(output.splitlines()):
        text = shortened(line.decode("utf-8", "replace"))
        if text:
            return text
    return None


def shortened(text: str) -> str:
    """`text` on one line, without terminal escapes, and no longer than a reason bears."""
    line = " ".join(_ESCAPES.sub("", text.lstrip()[: 10 * DETAIL_LIMIT]).split())
    return line if len(line) <= DETAIL_LIMIT else f"{line[: DETAIL_LIMIT - 1]}…"
