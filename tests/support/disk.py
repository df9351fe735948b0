"""What is in a directory, what else than a file may lie there, and a disk that fills up."""

from __future__ import annotations

import os
import resource
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PASSES_BY_MODES = "-dac_override,-dac_read_search"
LIKE_ANYBODY = ("setpriv", f"--bounding-set={_PASSES_BY_MODES}", f"--inh-caps={_PASSES_BY_MODES}")
"""Makes root heed file modes as everybody else has to."""

NO_FILES = ("pipe", "device", "directory")


def names(directory: Path) -> list[str]:
    """The names in a directory, sorted."""
    return sorted(path.name for path in directory.iterdir())


def put(path: Path, kind: str) -> None:
    """Put something that is no file at `path`: a `pipe` nobody writes to, an endless `device`, a `directory`."""
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case _:
            path.mkdir()


def open_descriptors() -> int:
    """How many file descriptors this process has open."""
    return len(names(Path("/proc/self/fd")))


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the kernel write files up to `size` bytes and no further: short writes, then EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
