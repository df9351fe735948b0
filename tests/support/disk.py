"""What is in a directory, and a disk that fills up."""

from __future__ import annotations

import resource
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


def names(directory: Path) -> list[str]:
    """The names in a directory, sorted."""
    return sorted(path.name for path in directory.iterdir())


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
