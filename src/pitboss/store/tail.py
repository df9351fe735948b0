"""Reads the end of a file at a cost that does not grow with the file (SPEC 1.7)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.store.opening import open_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO

BLOCK = 64 * 1024
FIRST_BLOCK = 8 * 1024
"""Bytes per read: callers mostly want a few lines."""
LONGEST_LINE = 64 * 1024 * 1024


def last_bytes(path: Path, limit: int, *, alone: bool = False) -> tuple[bytes, bool]:
    """The last `limit` bytes of a regular file, and whether something came before them. Raises OSError.

    `alone` as in `opening.open_regular`.
    """
    with open_regular(path, alone=alone) as file:
        start = max(0, file.seek(0, os.SEEK_END) - limit)
        file.seek(start)
        return file.read(limit), start > 0


def lines_from_end(file: BinaryIO, *, longest: int = LONGEST_LINE) -> Iterator[bytes]:
    """The lines of a file, last one first, without their newlines; a final newline does not add an empty line.

    Stops at a line much longer than `longest`, so that memory stays bounded whatever is in the file.
    """
    position = file.seek(0, os.SEEK_END)
    size = FIRST_BLOCK
    lines = [b""]
    at_end = True
    while position > 0 and len(lines[0]) <= longest:
        position, block = _block_before(file, position, max(size, len(lines[0])))
        size = BLOCK
        lines = (block + lines[0]).split(b"\n")
        if at_end and not lines[-1]:
            lines.pop()
        at_end = False
        yield from reversed(lines[1:])
        del lines[1:]
    if position == 0 and not at_end:
        yield lines[0]


def _block_before(file: BinaryIO, position: int, size: int) -> tuple[int, bytes]:
    start = max(0, position - size)
    file.seek(start)
    return start, file.read(position - start)
