"""The marks that a person gave a run's sessions: review.json in the run directory (SPEC 11).

Every change replaces the file whole, and lasts once it is made. Whoever changes it holds a lock, so that two reviews at
a time lose nothing. A file that makes no sense is an error, and is never written over.
"""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.digits import number_in
from pitboss.core.review import Mark
from pitboss.errors import CommandError, storage_error
from pitboss.store import opening
from pitboss.store.codec import UNREADABLE
from pitboss.store.files import write_atomic
from pitboss.typed import from_json

if TYPE_CHECKING:
    from pitboss.store.paths import RunPaths


class _File(msgspec.Struct, kw_only=True):
    """The content of review.json; `marks` by session number."""

    version: int = 1
    marks: dict[str, Mark] = {}


def read_marks(paths: RunPaths) -> dict[int, Mark]:
    """The marks by session number. Raises CommandError if the file makes no sense, StorageError if it is unreadable."""
    try:
        with opening.open_regular(paths.review) as file:
            content = file.read()
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise storage_error("read", paths.review, error) from error
    return _parse(paths, content)


def left_out(paths: RunPaths) -> frozenset[int]:
    """The sessions to be left out. Raises as `read_marks`."""
    return frozenset(seq for seq, mark in read_marks(paths).items() if mark is Mark.LEAVE)


def set_mark(paths: RunPaths, seq: int, mark: Mark | None) -> dict[int, Mark]:
    """Give a session a mark, or none, durably; returns all marks. Raises CommandError, StorageError."""
    try:
        folder = opening.open_folder(paths.root)
    except OSError as error:
        raise storage_error("open", paths.root, error) from error
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        marks = read_marks(paths)
        marks.pop(seq, None)
        if mark is not None:
            marks[seq] = mark
        write_atomic(paths.review, _encode(marks))
    finally:
        os.close(folder)
    return marks


def _encode(marks: dict[int, Mark]) -> bytes:
    content = _File(marks={str(seq): marks[seq] for seq in sorted(marks)})
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def _parse(paths: RunPaths, content: bytes) -> dict[int, Mark]:
    try:
        found = from_json(content, _File)
        if found.version != 1:
            raise ValueError(f"version {found.version} is from another pitboss")
        return {_seq(name): mark for name, mark in found.marks.items()}
    except (*UNREADABLE, ValueError) as error:
        raise CommandError(
            f"{paths.review} makes no sense: {error}",
            hint="mend it or move it away; without it, no session has a mark",
        ) from error


def _seq(name: str) -> int:
    seq = number_in(name)
    if not seq:
        raise ValueError(f"{name!r} is no session number")
    return seq
