"""The run's scratchpad: its end goes into prompts; parallel sessions borrow it, and their notes are merged (SPEC 2).

    notes_for_prompt   the end of it
    lend               gives the session a copy; the copy's length is kept with the session in flight
    merge              what its file has beyond that copy becomes one section at the end of the run's scratchpad

While parallel sessions run, only merges change the run's scratchpad, one at a time and only at its end. So what a
session was given remains its beginning, and a crash can tear only the last section.
"""

from __future__ import annotations

import io
import os
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from pitboss.core.text import NOTES_LIMIT, new_lines, notes_section, same_start, section_gap
from pitboss.errors import storage_error
from pitboss.store.files import append_durable, open_append, write_all
from pitboss.store.opening import open_regular, remove
from pitboss.store.tail import BLOCK, last_bytes

if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from pitboss.core.redact import Secrets
    from pitboss.store.paths import RunPaths

PROMPT_LIMIT = 16 * 1024
"""How many bytes of the scratchpad an agent gets in its prompt."""

COMPARED_LIMIT = 256 * 1024
"""Size in bytes above which a rewritten file is not compared: all after its unchanged beginning counts as added."""
_UTF8_CONTINUATIONS = bytes(range(0x80, 0xC0))


class Notes(NamedTuple):
    """The end of the scratchpad as text, and whether anything before it was left out."""

    text: str
    truncated: bool


def notes_for_prompt(paths: RunPaths, limit: int = PROMPT_LIMIT) -> Notes:
    """The last `limit` bytes, from the start of a line; empty when the file cannot be read."""
    try:
        data, truncated = last_bytes(paths.scratchpad, limit, alone=True)
    except OSError:
        return Notes("", truncated=False)
    return Notes(_from_line_start(data) if truncated else data.decode(errors="replace"), truncated)


def lend(paths: RunPaths, seq: int) -> int:
    """Give session `seq` a copy of the run's scratchpad and return its size in bytes.

    A scratchpad that cannot be read is lent as an empty one. Not durable: before its agent starts, a session has no
    notes to lose. Raises StorageError, RunDirectoryGone.
    """
    notes = paths.notes(seq)
    try:
        with suppress(IsADirectoryError):
            remove(notes)
        with _opened(paths.scratchpad) as given:
            return _copied(given, open_append(notes, make=True))
    except OSError as error:
        raise storage_error("write", notes, error) from error


def merge(paths: RunPaths, seq: int, prompt: str, size: int, *, secrets: Secrets, again: bool) -> bool:
    """Append what session `seq`, which was lent `size` bytes, added, without `secrets`; return whether it added any.

    `again`: an earlier call may have been cut off at any point; a section already there is left, a torn one completed.
    Merges must not overlap. Raises StorageError, RunDirectoryGone; the notes remain in the session's own file.
    """
    section = secrets.redact_bytes(notes_section(seq, prompt, _added(paths, seq, size)))
    if not section:
        return False
    written = _written(paths.scratchpad, section, size) if again else 0
    if written < len(section):
        gap = b"" if written else section_gap(_end(paths.scratchpad, 2))
        append_durable(paths.scratchpad, gap + section[written:])
    return True


def _copied(given: BinaryIO, descriptor: int) -> int:
    """Write all of a file to another, close that, and return how many bytes they are."""
    size = 0
    try:
        while block := given.read(BLOCK):
            write_all(descriptor, block)
            size += len(block)
    finally:
        os.close(descriptor)
    return size


def _from_line_start(data: bytes) -> str:
    """`data` as text from the first line that begins in it, or from its first whole character if none does."""
    _, _, rest = data.partition(b"\n")
    return (rest or data.lstrip(_UTF8_CONTINUATIONS)).decode(errors="replace")


def _added(paths: RunPaths, seq: int, size: int) -> bytes:
    """The new part of the session's file, or as much of its end as can be merged; empty when it cannot be read."""
    try:
        with _opened(paths.scratchpad) as given, _open(paths.notes(seq)) as notes:
            same = _common(given, notes, size)
            length = notes.seek(0, os.SEEK_END)
            if same < size and max(size, length) <= COMPARED_LIMIT:
                given.seek(0)
                notes.seek(0)
                return new_lines(given.read(size), notes.read(length))
            notes.seek(max(same, length - NOTES_LIMIT - 1))
            return notes.read(NOTES_LIMIT + 1)
    except OSError:
        return b""


def _common(given: BinaryIO, notes: BinaryIO, size: int) -> int:
    """The length of the common prefix of both files, at most `size` bytes."""
    same = 0
    while same < size:
        ours = given.read(min(BLOCK, size - same))
        theirs = notes.read(len(ours))
        if ours != theirs or not ours:
            return same + same_start(ours, theirs)
        same += len(ours)
    return same


def _written(scratchpad: Path, section: bytes, size: int) -> int:
    """How many bytes of `section` are already written, at the start of a line after the first `size` bytes.

    All of them, anywhere; or some, at the end of the file, if an append was cut off.
    """
    at_start = b"\n" if size == 0 else b""
    with _opened(scratchpad) as file:
        file.seek(max(size - 1, 0))
        if _holds(file, b"\n" + section, at_start):
            return len(section)
        length = file.seek(0, os.SEEK_END)
        start = file.seek(max(length - len(section), size - 1, 0))
        end = (b"" if start else at_start) + file.read(len(section))
    starts = (at + 1 for at, byte in enumerate(end) if byte == ord("\n"))
    return next((len(end) - at for at in starts if at < len(end) and section.startswith(end[at:])), 0)


def _holds(file: BinaryIO, wanted: bytes, window: bytes) -> bool:
    while block := file.read(BLOCK):
        window += block
        if wanted in window:
            return True
        window = window[-len(wanted) :]
    return False


def _opened(path: Path) -> BinaryIO:
    try:
        return _open(path)
    except OSError:
        return io.BytesIO()


def _open(path: Path) -> BinaryIO:
    return open_regular(path, buffering=0, alone=True)


def _end(path: Path, limit: int) -> bytes:
    try:
        return last_bytes(path, limit, alone=True)[0]
    except OSError:
        return b""
