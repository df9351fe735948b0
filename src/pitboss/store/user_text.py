"""Reads the small text files that users write (prompts, rotations, config) without trusting any of them (SPEC 2).

Such a name may lead to anything: a pipe that never answers, a device, a directory, gigabytes, bytes that are not
text. Each of these is reported as one problem, without waiting.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NoReturn

from pitboss.errors import InputError, Problem
from pitboss.store.opening import open_users

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 1024 * 1024


def read_text(path: Path) -> str:
    """Return the text of a regular UTF-8 file of at most 1 MiB, without its byte order mark.

    Raises InputError for anything else.
    """
    file = os.fspath(path)
    try:
        _check_kind(file, path.stat())
        data = _read_bounded(file)
    except FileNotFoundError:
        _refuse(file, "is a symlink whose target does not exist" if path.is_symlink() else "does not exist")
    except OSError as error:
        _refuse(file, f"cannot be read: {error.strerror}")
    return decode_text(file, data)


def _check_kind(file: str, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        _refuse(file, "is a directory, not a file")
    if not stat.S_ISREG(status.st_mode):
        _refuse(file, "is not a regular file")
    _check_size(file, status.st_size)


def _check_size(file: str, size: int) -> None:
    if size > MAX_BYTES:
        _refuse(file, f"is larger than {MAX_BYTES // 1024} KiB")


def _read_bounded(file: str) -> bytes:
    # The file may have become a pipe since the check.
    with open_users(file) as stream:
        return stream.read(MAX_BYTES + 1)


def decode_text(file: str, data: bytes) -> str:
    """The text in the bytes of a file, without its byte order mark; raises InputError if it is too long or no text."""
    _check_size(file, len(data))
    nul = data.find(0)
    if nul >= 0:
        _refuse(file, "contains a NUL byte: this is not a text file", _line_at(data, nul))
    try:
        return data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        _refuse(file, f"is not UTF-8 text (byte 0x{data[error.start]:02x})", _line_at(data, error.start))


def _line_at(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _refuse(file: str, reason: str, line: int | None = None) -> NoReturn:
    raise InputError([Problem(file, reason, line=line)])
