"""Restores permissions that an agent removed from files, where git needs them (SPEC 1.2)."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from pitboss.git.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pitboss.git.repo import Repo


def with_access(
    repo: Repo,
    *args: str,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    ok: tuple[int, ...] = (0,),
) -> bytes:
    """Run git, and again with permissions restored if it lacked them; returns what it printed. Raises GitError."""
    try:
        return repo.git(*args, stdin=stdin, env=env, ok=ok)
    except GitError as error:
        if "Permission denied" not in error.stderr:
            raise
        _make_accessible(repo)
        return repo.git(*args, stdin=stdin, env=env, ok=ok)


def make_readable(folder: Path) -> None:
    """Restore the owner's permissions on everything in a folder; symbolic links are not followed."""
    _permit(folder)
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            _permit(folder / place / name)


def _make_accessible(repo: Repo) -> None:
    """Restore the owner's permissions on changed and untracked files."""
    listed = os.fsdecode(
        repo.git("ls-files", "-z", "--others", "--modified", "--exclude-standard", "--directory")
    )
    for path in filter(None, listed.split("\0")):
        place = repo.root / path
        _permit(place.parent)
        make_readable(place)


def _permit(place: Path) -> None:
    if place.is_symlink() or not place.exists():
        return
    mode = stat.S_IMODE(place.stat().st_mode)
    wanted = mode | (stat.S_IRWXU if place.is_dir() else stat.S_IRUSR)
    if wanted != mode:
        place.chmod(wanted)
