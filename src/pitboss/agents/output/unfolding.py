"""Makes one line of a JSON object that was printed over several, as `jq` and indenting printers do (SPEC 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.agents.output.json_values import object_in

if TYPE_CHECKING:
    from collections.abc import Iterator

OPENED = b"{"
"""The first line of such an object holds nothing else."""

HELD_LIMIT = 4 * 1024 * 1024
"""Bytes held of one object; a longer one is dropped."""

_PARTS = (b'"', b"{", b"}", b"[", b"]", b"-", b"t", b"f", b"n", *(b"%d" % digit for digit in range(10)))
"""How the lines inside one may begin: a key, a bracket, or a value in an array."""


class Unfolder:
    """Takes lines from one that is `{` to the one that completes its object, and gives back those of neither."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._depth = 0
        self.held = 0

    def feed(self, line: bytes) -> Iterator[bytes]:
        """Yield what `line` completes: the whole object, or a line that stands for itself."""
        bare = line.strip()
        if self.held and (self._is_another(bare) or self.held + len(bare) > HELD_LIMIT):
            self._drop()
            if bare != OPENED:
                yield line
                return
        self._lines.append(bare)
        self.held += len(bare)
        self._depth += _opened(bare)
        if self._depth <= 0:
            whole = b" ".join(self._lines)
            self._drop()
            yield whole

    def _is_another(self, bare: bytes) -> bool:
        """Whether a line is no part of the object held: noise, or an object of its own where a key would stand."""
        if not bare:
            return False
        if bare == OPENED or (bare.startswith(b'{"') and object_in(bare)):
            in_array = self._depth > 1 and self._lines[-1].endswith((b"[", b","))
            return not in_array
        return not bare.startswith(_PARTS)

    def _drop(self) -> None:
        self._lines, self._depth, self.held = [], 0, 0


def _opened(bare: bytes) -> int:
    """How many brackets a line opens more than it closes: printers end lines with them, or begin with closing ones."""
    body = bare.removesuffix(b",").rstrip()
    if body.endswith((b"{", b"[")):
        return 1
    return -1 if body in (b"}", b"]") else 0
