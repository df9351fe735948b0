"""Registers a linked working tree as `git worktree add --no-checkout` does, but without a process (SPEC 6).

Git starts three for that. The file by which other gits notice the working tree comes after all that they read of it, so
that none trips over one that is half registered. Before it, a crash leaves what `git worktree prune` removes.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.git.small_files import content_of

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.git.repo import Repo

_EXTENSIONS = lazy_pattern(rb"^\s*\[\s*extensions", re.IGNORECASE | re.MULTILINE)
_MOST_BYTES = 4096


def link_worktree(repo: Repo, place: Path, commit: str, *, reason: str) -> bool:
    """Make `place` a new working tree without files or index, its HEAD at `commit`, locked for `reason`.

    False if only git can do it: the repository's format has extensions, such as refs that are no files, its config is
    too large or odd to tell, its name for the working tree is taken, or `repo` may be a sparse checkout, whose patterns
    git copies. Raises OSError.
    """
    if repo.inside("info", "sparse-checkout").exists():
        return False
    config = repo.common_dir / "config"
    said = content_of(config)
    if config.is_symlink() or len(said) >= _MOST_BYTES or _EXTENSIONS.search(said):
        return False
    known = repo.common_dir / "worktrees"
    known.mkdir(exist_ok=True)
    folder = known / place.name
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    link = place / ".git"
    _write(folder / "HEAD", commit)
    _write(folder / "commondir", "../..")
    _write(folder / "gitdir", str(link))
    _write(folder / "locked", reason)
    place.mkdir()
    _write(link, f"gitdir: {folder}")
    return True


def _write(file: Path, line: str) -> None:
    with file.open("xb") as new:
        new.write(os.fsencode(f"{line}\n"))
