"""Remembers in git's common directory what somebody has used a repository with (SPEC 8).

Nothing that is cloned or pulled gets there, so what it says is this machine's own. One digest a line, oldest first.
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
    """The digests that were remembered; none where nothing can be read."""
    told = read_regular(_path(common_dir), _MOST_READ) or b""
    return tuple(told.decode("ascii", "replace").split())


def remember(common_dir: Path, digests: Iterable[str]) -> None:
    """Remember `digests` too, in place of the oldest when there are many. Raises StorageError."""
    known = remembered(common_dir)
    kept = tuple(dict.fromkeys((*known, *digests)))[-KEPT:]
    if kept == known:
        return
    path = _path(common_dir)
    make_directory(path.parent)
    write_atomic(path, "".join(f"{digest}\n" for digest in kept).encode())


def _path(common_dir: Path) -> Path:
    return common_dir / "pitboss" / "trusted"
