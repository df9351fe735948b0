"""The parts of a run's directory, made when it begins and made again when somebody removed them (SPEC 2)."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING, TypeVar

from pitboss.errors import StorageError, storage_error
from pitboss.store.codec import Malformed, encode_state
from pitboss.store.files import append_durable, make_directory, sync_directory, write_atomic
from pitboss.store.opening import PRIVATE_FOLDER, remove_tree, spot, status

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pitboss.core.run import RunState
    from pitboss.store.paths import RunPaths

_T = TypeVar("_T")


def make_run(paths: RunPaths, state: RunState) -> None:
    """Make the directory of a new run, durably; a failure leaves none behind. Raises StorageError."""
    runs = paths.root.parent
    make_directory(runs)
    ignore(runs)
    _make_root(paths)
    try:
        _fill(paths, state)
        sync_directory(runs)
    except BaseException:
        with suppress(OSError):
            remove_tree(paths.root)
        raise


def make_subdirectories(paths: RunPaths) -> None:
    """Make those that are missing; what is in their place is set aside. Raises StorageError."""
    for directory in (paths.transcripts, paths.worktrees, paths.control):
        make_directory(directory)


def ignore(runs: Path) -> None:
    """Have git ignore the runs even where nobody told it to ignore `.pitboss`. Raises StorageError."""
    if status(runs / ".gitignore") is None:
        write_atomic(runs / ".gitignore", b"*\n", durable=False)


def encoded(encode: Callable[[_T], bytes], value: _T, path: Path) -> bytes:
    """The bytes of a value that is to be written to `path`. Raises StorageError when nobody could read them again."""
    try:
        return encode(value)
    except Malformed as error:
        raise StorageError(
            f"cannot write {path}: nobody could read it again: {error}",
            hint="the file is as it was before; `pitboss repair` shows what the run needs",
        ) from error


def utf8(text: str) -> bytes:
    """Text as bytes, with `?` for what is no Unicode."""
    return text.encode(errors="replace")


def _make_root(paths: RunPaths) -> None:
    try:
        with spot(paths.root) as at:
            os.mkdir(at.name, PRIVATE_FOLDER, dir_fd=at.folder)
    except OSError as error:
        raise storage_error("create", paths.root, error) from error


def _fill(paths: RunPaths, state: RunState) -> None:
    from pitboss.core.text.sessions import HEADER

    make_subdirectories(paths)
    # state.json first: with it the run exists, and the other files are made again when they are missing.
    write_atomic(paths.state, encoded(encode_state, state, paths.state))
    for path, content in ((paths.log, ""), (paths.markdown, HEADER), (paths.scratchpad, "")):
        append_durable(path, utf8(content), durable=False)
