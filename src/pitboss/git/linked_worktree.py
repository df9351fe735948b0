"""Registers and forgets linked working trees without a process (SPEC 6).

To add one, git starts three. The file by which other gits notice a working tree comes after all that they read of it,
so that none trips over one that is half registered. Before it, a crash leaves what `git worktree prune` removes.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.git.small_files import content_of

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.git.repo import Repo

ADD_BY_GIT = ("-c", "worktree.useRelativePaths=false", "worktree", "add", "--quiet")
"""How git is asked to add one: all that reads what it notes expects whole paths, whatever the user's setting."""

_EXTENSIONS = lazy_pattern(rb"^\s*\[\s*extensions", re.IGNORECASE | re.MULTILINE)
_MOST_BYTES = 4096
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def link_worktree(repo: Repo, place: Path, commit: str, *, reason: str) -> bool:
    """Make `place` a working tree as `git worktree add --no-checkout` does, its HEAD at `commit`, locked for `reason`.

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
    folder = known / place.name
    try:
        known.mkdir(exist_ok=True)
        folder.mkdir()
    except (FileExistsError, FileNotFoundError):  # the second: whoever forgot the last one removed `known`
        return False
    link = place / ".git"
    _write(folder / "HEAD", commit)
    _write(folder / "commondir", "../..")
    _write(folder / "gitdir", str(link))
    _write(folder / "locked", reason)
    place.mkdir()
    _write(link, f"gitdir: {folder}")
    return True


def forget_worktree(worktree: Repo, grave: int) -> bool:
    """Have git forget a linked working tree at once; False if it takes `git worktree prune`, and its folder to be gone.

    All that git noted of it moves to `grave`, an open folder, whose caller deletes it.
    """
    folder = worktree.git_dir
    try:
        known = os.open(folder.parent, _FOLDER)
    except OSError:
        return False
    try:
        os.rename(folder.name, f".git-{folder.name}", src_dir_fd=known, dst_dir_fd=grave)
    except OSError:
        return False
    finally:
        os.close(known)
    with suppress(OSError):
        folder.parent.rmdir()  # as git does after the last one
    return True


def _write(file: Path, line: str) -> None:
    with file.open("xb") as new:
        new.write(os.fsencode(f"{line}\n"))
