"""Lists the working trees of a repository, and where git keeps what it knows of each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.git.small_files import content_of
from pitboss.store.opening import names_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pitboss.git.repo import Repo


def working_trees(repo: Repo) -> Iterator[tuple[str, Path]]:
    """Every working tree, with its own git folder; this one first."""
    yield str(repo.root), repo.git_dir
    common = repo.common_dir
    if repo.git_dir != common:
        yield str(common.parent if common.name == ".git" else common), common
    for name in names_in(common / "worktrees"):
        folder = common / "worktrees" / name
        if folder != repo.git_dir:
            yield root_of(folder), folder


def root_of(git_dir: Path) -> str:
    """The linked working tree that git keeps this folder for; git may note it from here."""
    link = os.fsdecode(content_of(git_dir / "gitdir").strip(b"\n"))
    return os.path.normpath(git_dir / link).removesuffix("/.git")
