"""The end of what an agent prints, as it grows, in blocks: only the last one changes, so little is sent (SPEC 10)."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import msgspec

from pitboss.store.transcript import Transcript, Window

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BLOCK = 8 * 1024
"""Bytes of a file after which a block is full."""

MOST_BLOCKS = 12
"""How many blocks are shown; the file has a page of its own."""


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """Some lines of a file, from byte `start` on, made readable."""

    start: int
    size: int
    lines: tuple[str, ...]


class OutputTail:
    """The last blocks of a file that may still grow. `readable` makes lines of whole lines of it."""

    def __init__(self, path: Path, readable: Callable[[bytes], tuple[str, ...]]) -> None:
        self.path = path
        self._transcript = Transcript(path)
        self._readable = readable
        self._read_to: Window | None = None
        self._blocks: list[Block] = []

    def look(self, *, over: bool) -> tuple[Block, ...]:
        """The last blocks now. A line without an end is shown once the file is `over`. Raises StorageError."""
        if self._read_to is None or self._transcript.size < self._read_to.end:
            start = self._transcript.last(BLOCK * (MOST_BLOCKS - 1)).start
            self._read_to = Window(start=start, end=start, size=start, raw=b"")
            self._blocks.clear()
        while (raw := self._more(self._read_to, over=over)) != b"":
            for piece in _pieces(raw):
                self._add(self._read_to.end, piece)
                self._read_to = msgspec.structs.replace(self._read_to, end=self._read_to.end + len(piece))
        return tuple(self._blocks)

    def _more(self, read_to: Window, *, over: bool) -> bytes:
        """What follows, up to the end of a line."""
        if self._transcript.size <= read_to.end:
            return b""
        window = self._transcript.after(read_to)
        return window.raw if over or not window.is_last else window.raw[: window.raw.rfind(b"\n") + 1]

    def _add(self, start: int, raw: bytes) -> None:
        last = self._blocks[-1] if self._blocks else None
        lines = self._readable(raw)
        if last is not None and last.size + len(raw) <= BLOCK:
            self._blocks[-1] = Block(start=last.start, size=last.size + len(raw), lines=last.lines + lines)
        else:
            self._blocks = [*self._blocks, Block(start=start, size=len(raw), lines=lines)][-MOST_BLOCKS:]


def _pieces(raw: bytes) -> list[bytes]:
    """Whole lines in pieces that fit into a block; a line longer than that is a piece of its own."""
    pieces: list[bytes] = []
    for line in io.BytesIO(raw):
        if pieces and len(pieces[-1]) + len(line) <= BLOCK:
            pieces[-1] += line
        else:
            pieces.append(line)
    return pieces
