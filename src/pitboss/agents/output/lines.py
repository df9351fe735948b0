"""Splits an agent's output, whatever its bytes, into lines and JSON objects in bounded memory (SPEC 6).

Agents print anything: endless lines, invalid UTF-8, half a line when they are killed. pitboss skips what is too long
or not JSON; the transcript keeps every byte. `loose_json` finds the objects on a line, `long_strings` makes an
overlong line fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pitboss.agents.output.long_strings import Shortener
from pitboss.agents.output.loose_json import objects_on
from pitboss.agents.output.unfolding import OPENED, Unfolder
from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

LINE_LIMIT = 4 * 1024 * 1024
"""Bytes held per line; a longer one is dropped, unless it is JSON whose long strings can be cut."""

DETAIL_LIMIT = 300
"""How many characters of an agent's words go into a reason."""

_ESCAPES = lazy_pattern(
    r"\x1b\[[0-?]*[ -/]*[@-~]?"  # colors, movements
    r"|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?"  # titles, links
    r"|\x1b[ -/]*[0-~]?"
    r"|[\x00-\x08\x0e-\x1a\x7f-\x84\x86-\x9f]"
)
"""What a terminal acts on instead of showing it, apart from line ends and blanks."""


class LineSplitter:
    """Turns chunks into complete lines without their newline; lines over `limit` bytes are dropped."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        self._limit = limit
        self._partial = bytearray()
        self._too_long = False

    @property
    def held(self) -> bytes:
        """The part held so far of an unfinished line."""
        return bytes(self._partial)

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that `chunk` completes."""
        first, *others = chunk.split(b"\n")
        self._hold(first)
        for piece in others:
            yield from self.finish()
            self._hold(piece)

    def finish(self) -> Iterator[bytes]:
        """Yield the held part as a line: at a newline, and at the end of the output."""
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


class JsonLineSplitter(LineSplitter):
    """The same for lines of JSON: long strings are cut before a line over the limit is dropped."""

    def __init__(self, limit: int = LINE_LIMIT) -> None:
        super().__init__(limit)
        self._shortener: Shortener | None = None

    def finish(self) -> Iterator[bytes]:
        """Yield the held part as a line."""
        self._shortener = None
        return super().finish()

    def _hold(self, piece: bytes) -> None:
        if self._shortener is None and len(self._partial) + len(piece) > self._limit:
            self._shortener = Shortener()
            piece = bytes(self._partial) + piece
            self._partial.clear()
        super()._hold(piece if self._shortener is None else self._shortener.feed(piece))


class JsonLines:
    """Turns chunks into the JSON objects on their lines, or over several, and skips everything else."""

    def __init__(self) -> None:
        self._lines = JsonLineSplitter()
        self._unfolder = Unfolder()
        self.torn = False
        """Whether the output ended in the middle of an object."""

    def feed(self, chunk: bytes) -> Iterator[dict[str, Any]]:
        """Yield the objects whose lines `chunk` completes."""
        folded = self._unfolder.held or self._lines.held.strip() == OPENED
        return self._objects(self._lines.feed(chunk if folded else _without_noise(chunk)))

    def finish(self) -> Iterator[dict[str, Any]]:
        """Yield the complete objects on a last line without newline."""
        last = self._lines.held.strip()
        found = list(self._objects(self._lines.finish()))
        self.torn = (last.startswith(b"{") or bool(self._unfolder.held)) and not found
        return iter(found)

    @property
    def held_bytes(self) -> int:
        """How much of what is not complete is in memory."""
        return len(self._lines.held) + self._unfolder.held

    def _objects(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        for line in lines:
            if not self._unfolder.held and line.strip() != OPENED:
                yield from objects_on(line)
                continue
            for whole in self._unfolder.feed(line):
                yield from objects_on(whole)


def _without_noise(chunk: bytes) -> bytes:
    """`chunk` without the lines between its first and last newline if none of them holds an object.

    A flood of short lines that are not JSON is then as cheap as one long line.
    """
    if b"{" in chunk or b"\n" not in chunk:
        return chunk
    return chunk[: chunk.index(b"\n") + 1] + chunk[chunk.rindex(b"\n") + 1 :]


def last_line(output: bytes) -> str | None:
    """The last line of `output` that is not blank, shortened for a reason; None if there is none."""
    for line in reversed(output.splitlines()):
        text = shortened(line.decode("utf-8", "replace"))
        if text:
            return text
    return None


def plain(text: str) -> str:
    """`text` without terminal escapes."""
    return _ESCAPES.sub("", text)


def shortened(text: str) -> str:
    """`text` on one line, without terminal escapes, and short enough for a reason."""
    line = " ".join(plain(text.lstrip()[: 10 * DETAIL_LIMIT]).split())
    return line if len(line) <= DETAIL_LIMIT else f"{line[: DETAIL_LIMIT - 1]}…"
