"""The file `ended`: when a run's last process had gone, as its guardian saw it (SPEC 7).

The time is the file's modification time. While a run is live the file says `live`, and it keeps saying so if no
process survived to see the end. A refused resume leaves it as it was.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.errors import StorageError
from pitboss.store.files import read_regular, write_atomic
from pitboss.store.opening import status

if TYPE_CHECKING:
    from pitboss.store.paths import RunPaths

_LIVE = b"live\n"


def note_live(paths: RunPaths) -> None:
    """The run starts or resumes: from here on its processes may change the tree. Raises StorageError."""
    write_atomic(paths.ended, _LIVE, durable=False)


def is_noted_live(paths: RunPaths) -> bool:
    """Whether the run has started or was resumed, and its end has not been noted."""
    return read_regular(paths.ended, len(_LIVE)) == _LIVE


def note_end(paths: RunPaths) -> bool:
    """The last process of the run is gone; returns whether it was live since the last call, else does nothing."""
    if not is_noted_live(paths):
        return False
    with suppress(StorageError):
        write_atomic(paths.ended, b"", durable=False)
    return True


def ended_ns(paths: RunPaths) -> int | None:
    """When the run's last process had gone, in nanoseconds since the epoch; None if no guardian saw it."""
    found = status(paths.ended)
    return None if found is None or found.st_size > 0 else found.st_mtime_ns


def last_seen_ns(paths: RunPaths, seq: int) -> int | None:
    """The same or, if no guardian saw it, when session `seq` last printed anything; None if nothing tells.

    A later attempt prints into a file of its own, and so do tests, fixers and hooks.
    """
    ended = ended_ns(paths)
    if ended is not None:
        return ended
    from pitboss.store.session_files import session_files

    printed = (status(file.path) for file in session_files(paths, seq))
    return max((each.st_mtime_ns for each in printed if each is not None), default=None)
