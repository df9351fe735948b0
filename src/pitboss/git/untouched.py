"""Tells without git whether a small working tree is still as its commit (SPEC 6).

It says yes only where git would: whatever is in doubt is a no, after which git can be asked. Unlike git's, a yes also
means that nothing is there which git ignores.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.git.index_entries import facts_of, may_be_older
from pitboss.git.new_objects import read_new

if TYPE_CHECKING:
    from pitboss.git.index_entries import IndexEntries, TrackedFile
    from pitboss.git.repo import Repo

_OWN = frozenset({".git"})


def is_untouched(repo: Repo, commit: str, index: IndexEntries, written_ns: int) -> bool:
    """Whether index and files are those of `commit`, and nothing else is in the tree, as far as that is plain.

    Git wrote the index at `written_ns`. Raises nothing: a tree that makes no sense is no longer as it was.
    """
    made = read_new(repo, commit)
    if made is None or index.tree != made.tree:
        return False
    try:
        return all(
            _holds(
                os.path.join(repo.root, folder),  # noqa: PTH118
                wanted,
                written_ns,
                beside=frozenset() if folder else _OWN,
            )
            for folder, wanted in index.folders.items()
        )
    except OSError:
        return False


def _holds(
    place: str, wanted: dict[str, TrackedFile | None], written_ns: int, *, beside: frozenset[str]
) -> bool:
    """Whether a folder, which must not be a link, holds just what is wanted, and what may be there `beside`."""
    opened = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return set(os.listdir(opened)) - beside == wanted.keys() and all(  # noqa: PTH208
            file is None
            or (not may_be_older(file, written_ns) and file.facts == facts_of(os.lstat(name, dir_fd=opened)))
            for name, file in wanted.items()
        )
    finally:
        os.close(opened)
