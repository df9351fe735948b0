"""Reads what a session's agent, tests or hooks printed, a window at a time: the file may have any size (SPEC 10).

Windows begin and end between lines where there are line ends; a line longer than a window comes in pieces. No byte
reaches a screen unless it is harmless there.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.terminal import visible
from pitboss.errors import storage_error
from pitboss.store.opening import open_regular, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import BinaryIO

WINDOW = 64 * 1024
"""Bytes that a window has unless told otherwise: far more than fits on a screen."""

_CHUNK = 1024 * 1024


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of a file from `start` up to `end`, and how large the file was; `lines` are harmless to show."""

    start: int
    end: int
    size: int
    raw: bytes

    @property
    def lines(self) -> tuple[str, ...]:
        """Its lines, without line ends; what is not UTF-8 or acts on a terminal is shown as marks."""
        text = visible(self.raw.decode(errors="backslashreplace"))
        return tuple(line.removesuffix("\r") for line in text.removesuffix("\n").split("\n")) if text else ()

    @property
    def is_first(self) -> bool:
        """Whether nothing comes before it."""
        return self.start == 0

    @property
    def is_last(self) -> bool:
        """Whether nothing came after it when it was read."""
        return self.end >= self.size


class Transcript:
    """One file of output, which may still grow. Each call opens it, reads one window and closes it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def size(self) -> int:
        """Its size in bytes now; 0 if there is no file."""
        found = status(self._path)
        return 0 if found is None else found.st_size

    def last(self, length: int = WINDOW) -> Window:
        """The last lines, up to `length` bytes. Raises StorageError."""
        return self._read(lambda file, size: _up_to(file, size, size, length))

    def at(self, start: int, length: int = WINDOW) -> Window:
        """The lines from the one that begins at byte `start`, or after it. Raises StorageError."""
        return self._read(
            lambda file, size: _from(file, size, _line_begin(file, start, start + length), length)
        )

    def after(self, window: Window, length: int = WINDOW) -> Window:
        """What follows a window; if the file was cut since then, its end. Raises StorageError."""
        return self._read(lambda file, size: _from(file, size, window.end, length))

    def before(self, window: Window, length: int = WINDOW) -> Window:
        """What comes before a window. Raises StorageError."""
        return self._read(lambda file, size: _up_to(file, size, window.start, length))

    def find(self, text: str, start: int = 0) -> int | None:
        """Where `text`, in any case, next occurs at or after byte `start`: the byte that its line begins at.

        None if it does not. Reads on from there to the end if need be. Raises StorageError.
        """
        wanted = text.encode().lower()
        try:
            with open_regular(self._path) as file:
                return _find(file, wanted, start) if wanted else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise storage_error("read", self._path, error) from error

    def _read(self, part: Callable[[BinaryIO, int], Window]) -> Window:
        try:
            with open_regular(self._path) as file:
                return part(file, file.seek(0, os.SEEK_END))
        except FileNotFoundError:
            return Window(start=0, end=0, size=0, raw=b"")
        except OSError as error:
            raise storage_error("read", self._path, error) from error


def _from(file: BinaryIO, size: int, start: int, length: int) -> Window:
    """The whole lines from `start` on; the last line of the file counts as whole."""
    start = min(start, size)
    file.seek(start)
    raw = file.read(length)
    if start + len(raw) < size:
        raw = raw[: _whole(raw)]
    return Window(start=start, end=start + len(raw), size=size, raw=raw)


def _up_to(file: BinaryIO, size: int, end: int, length: int) -> Window:
    """The lines before `end`."""
    end = min(end, size)
    start = _line_begin(file, max(0, end - length), end)
    file.seek(start)
    raw = file.read(end - start)
    return Window(start=start, end=start + len(raw), size=size, raw=raw)


def _line_begin(file: BinaryIO, start: int, end: int) -> int:
    """Where the first line at or after `start` begins; without one before `end`, where a character does."""
    if start <= 0:
        return 0
    file.seek(start - 1)
    data = file.read(end - start + 1)
    at = data.find(b"\n", 0, -1)
    if at >= 0:
        return start + at
    return start + next((n for n in range(4) if not 0x80 <= (data[n + 1 : n + 2] or b"a")[0] < 0xC0), 0)


def _whole(raw: bytes) -> int:
    """How much of `raw` is whole lines; all of it but a torn character, if it is part of one long line."""
    lines = raw.rfind(b"\n") + 1
    if lines:
        return lines
    begun = next((back for back in range(1, min(4, len(raw))) if raw[-back] >= 0xC0), 0)
    return len(raw) - begun


def _find(file: BinaryIO, wanted: bytes, start: int) -> int | None:
    file.seek(start)
    line, tail = start, b""
    while chunk := file.read(_CHUNK):
        data = tail + chunk
        offset = file.tell() - len(data)
        at = data.lower().find(wanted)
        if at >= 0:
            begin = data.rfind(b"\n", 0, at)
            return line if begin < 0 else offset + begin + 1
        last = data.rfind(b"\n")
        if last >= 0:
            line = offset + last + 1
        tail = data[-len(wanted) + 1 :] if len(wanted) > 1 else b""
    return None
