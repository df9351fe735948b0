"""Remembers in git's common directory what the user has trusted in a repository (SPEC 8).

A clone or a pull never writes there, so the content is this machine's own. One digest per line, oldest first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.store.files import make_directory, read_regular, write_atomic

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KEPT = 1000
_MOST_READ = KEPT * 100


def remembered(common_dir: Path) -> tuple[str, ...]:
    """The remembered digests; none if they cannot be read."""
    stored = read_regular(_path(common_dir), _MOST_READ) or b""
    return tuple(stored.decode("ascii", "replace").split())


def remember(common_dir: Path, digests: Iterable[str]) -> None:
    """Remember `digests` too, dropping the oldest if there are too many. Raises StorageError."""
    known = remembered(common_dir)
    kept = tuple(dict.fromkeys((*known, *digests)))[-KEPT:]
    if kept == known:
        return
    path = _path(common_dir)
    make_directory(path.parent)
    write_atomic(path, "".join(f"{digest}\n" for digest in kept).encode())


def _path(common_dir: Path) -> Path:
    return common_dir / "pitboss" / "trusted"
