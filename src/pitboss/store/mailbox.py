"""The mailbox of a live run: other processes drop requests, the run picks them up (SPEC 5, 6).

    control/drain, control/abort, control/skip     the run as a whole
    control/skip-SEQ                               one session
    .pitboss/skip                                  as control/skip, for tools that do not know which run is live

A request is an empty file. Anything else in its place is ignored and stays.
"""

from __future__ import annotations

import contextlib
import os
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pitboss.errors import storage_error
from pitboss.store.opening import PRIVATE_FOLDER, entry_at, names_in, open_writing, remove

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.store.paths import RunPaths


class Request(StrEnum):
    """What a live run may be asked to do as a whole; also the name of the file in `control/`."""

    DRAIN = "drain"
    ABORT = "abort"
    SKIP = "skip"


_RUN_REQUESTS = frozenset(Request)


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """What was requested: of the run as a whole, and which sessions to `skip`, by seq."""

    run: frozenset[Request]
    skip: frozenset[int]


def request(paths: RunPaths, what: Request) -> None:
    """Send the live run a request; asking twice is the same as once. Raises StorageError, RunDirectoryGone."""
    _drop(paths.control / what)


def request_skip(paths: RunPaths, seq: int) -> None:
    """Ask the live run to skip session `seq` alone. Raises StorageError, RunDirectoryGone."""
    _drop(paths.skip(seq))


def take_requests(paths: RunPaths) -> Mail:
    """For the run itself: pick up all requests. Cheap enough for every turn of a loop."""
    run, skip = set(), set()
    if _taken(paths.skip_file):
        run.add(Request.SKIP)
    for name in names_in(paths.control):
        seq = _skipped_seq(name)
        if (seq is None and name not in _RUN_REQUESTS) or not _taken(paths.control / name):
            continue
        if seq is None:
            run.add(Request(name))
        else:
            skip.add(seq)
    return Mail(run=frozenset(run), skip=frozenset(skip))


def _taken(path: Path) -> bool:
    """Whether the file was there and is gone now; a folder in its place does not count."""
    try:
        return remove(path)
    except OSError:
        return False


def _drop(path: Path) -> None:
    try:
        with entry_at(path.parent) as control, contextlib.suppress(FileExistsError):
            os.mkdir(control.name, PRIVATE_FOLDER, dir_fd=control.folder)
        os.close(open_writing(path, os.O_WRONLY | os.O_CREAT))
    except OSError as error:
        raise storage_error("write", path, error) from error


def _skipped_seq(name: str) -> int | None:
    word, _, number = name.partition("-")
    return int(number) if word == Request.SKIP and number.isascii() and number.isdecimal() else None
