"""Shortens the long strings of a JSON line while it is read, so that a line of any length fits in memory (SPEC 6).

What an agent said may be megabytes long; what it used and how it ended stand on the same line, and must not be lost.
"""

from __future__ import annotations

import re

STRING_LIMIT = 64 * 1024
"""Bytes kept of each string of such a line."""

_PIECES = re.compile(rb'\\.|"|[^"\\]+', re.DOTALL)
"""An escape, a quote, or what is neither."""


class Shortener:
    """Takes one line in chunks, cut anywhere, and gives it back with no string longer than STRING_LIMIT."""

    def __init__(self) -> None:
        self._in_string = False
        self._kept = 0
        self._half_escape = b""

    def feed(self, chunk: bytes) -> bytes:
        """What is kept of the line's next bytes; half an escape at their end waits for the other half."""
        text = self._half_escape + chunk
        pieces = _PIECES.findall(text)
        self._half_escape = text[sum(map(len, pieces)) :]
        return b"".join(map(self._taken, pieces))

    def _taken(self, piece: bytes) -> bytes:
        if piece == b'"':
            self._in_string, self._kept = not self._in_string, 0
            return piece
        if not self._in_string:
            return piece
        kept = piece[: STRING_LIMIT - self._kept]
        if piece.startswith(b"\\") and len(kept) < len(piece):
            kept = b""
        # Nothing more is kept of a string that was cut: what followed would look as if it had stood there.
        self._kept = self._kept + len(kept) if len(kept) == len(piece) else STRING_LIMIT
        return kept
