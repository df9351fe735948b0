"""Empty files among git's objects, as a power cut leaves them: git takes each for an object that it need not write."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.git.repo import Repo


def empty_objects(repo: Repo) -> tuple[Path, ...]:
    """Every loose object whose file is empty."""
    found: list[Path] = []
    for first in range(256):
        with suppress(OSError), os.scandir(repo.common_dir / "objects" / f"{first:02x}") as entries:
            found += (Path(e.path) for e in entries if e.is_file(follow_symlinks=False) and _is_empty(e))
    return tuple(sorted(found))


def remove_empty_objects(paths: Iterable[str]) -> None:
    """Remove those of the files that are still empty, so that git writes the objects again. Raises OSError."""
    for path in map(Path, paths):
        with suppress(FileNotFoundError):
            if path.stat().st_size == 0:
                path.unlink()


def _is_empty(entry: os.DirEntry[str]) -> bool:
    return entry.stat(follow_symlinks=False).st_size == 0
