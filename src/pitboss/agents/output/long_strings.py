"""Shortens long strings in a JSON line as it is read, so that a line of any length fits in memory (SPEC 6).

An agent's words may be megabytes long; its usage and how it ended are on the same line and must not be lost.
"""

from __future__ import annotations

import re

from pitboss.core.patterns import lazy_pattern

STRING_LIMIT = 64 * 1024
"""How many bytes of each string on such a line are kept."""

_PIECES = lazy_pattern(rb'"|(?:[^"\\]++|\\.)++', re.DOTALL)
"""A quote, or the text between two quotes."""

_WHOLE = lazy_pattern(rb"(?:[^\\]++|\\[^u]|\\u[0-9a-fA-F]{4}|\\u(?![0-9a-fA-F]{0,3}\Z))*+")
"""As much as possible without ending in the middle of an escape."""


class Shortener:
    """Takes one line in chunks, cut anywhere, and returns it with no string longer than STRING_LIMIT."""

    def __init__(self) -> None:
        self._in_string = False
        self._room = 0
        self._half_escape = b""

    def feed(self, chunk: bytes) -> bytes:
        """Return what is kept of the line's next bytes; half an escape at their end waits for its other half."""
        text = self._half_escape + chunk
        whole = _without_half_escape(text)
        self._half_escape = text[len(whole) :]
        return b"".join(map(self._taken, _PIECES.findall(whole)))

    def _taken(self, piece: bytes) -> bytes:
        if piece == b'"':
            self._in_string, self._room = not self._in_string, STRING_LIMIT
            return piece
        if not self._in_string:
            return piece
        if len(piece) <= self._room:
            self._room -= len(piece)
            return piece
        # Nothing more is kept of a string once cut: later text would seem to follow directly.
        room, self._room = self._room, 0
        return _without_half_escape(piece[:room])


def _without_half_escape(text: bytes) -> bytes:
    whole = _WHOLE.match(text)
    return text[: whole.end()] if whole else b""
