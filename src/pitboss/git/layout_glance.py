"""Tells by one look at each part of a git directory whether all are as git needs them (SPEC 1.6)."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.git.permissions import lacks_permission

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MOST_BYTES = 4 * 2**30
"""Git reads its files whole. A larger one is not its own, and would keep it busy until memory ends."""


class LayoutGlance:
    """Looks at `folders` and `files`, where they exist, and at files called `waited_at` of each linked working tree.

    What it calls sound is sound. What it does not may be the user's own doing, and takes a closer look.
    """

    def __init__(
        self, folders: Iterable[str], files: Iterable[str], worktrees: str, waited_at: Iterable[str]
    ) -> None:
        self._kinds: Mapping[str, int] = {
            **dict.fromkeys(folders, stat.S_IFDIR),
            **dict.fromkeys(files, stat.S_IFREG),
        }
        self._worktrees = worktrees
        self._waited_at = tuple(waited_at)

    def is_sound(self) -> bool:
        """Whether nothing is a link, of another kind, too large, or closed to its owner."""
        return all(map(_is_sound, self._kinds, self._kinds.values())) and all(
            _is_sound(git_dir, stat.S_IFDIR)
            and all(_is_sound(f"{git_dir}/{name}", stat.S_IFREG) for name in self._waited_at)
            for git_dir in self._git_dirs()
        )

    def _git_dirs(self) -> Iterator[str]:
        with suppress(OSError), os.scandir(self._worktrees) as entries:
            yield from (entry.path for entry in entries)


def _is_sound(place: str, kind: int) -> bool:
    try:
        found = os.lstat(place)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    mode = found.st_mode
    return stat.S_IFMT(mode) == kind and found.st_size <= MOST_BYTES and not lacks_permission(mode)
