"""Tells whether git may read other objects than those it is asked for, or see other parents than a commit names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.git.small_files import read_file
from pitboss.store.stamps import stamp_in

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

_ELSEWHERE = ("shallow", "info/grafts", "reftable")
"""What changes parents; and where refs may be that are not in files."""
_IN_LINE = b" refs/replace/"


class Replacements:
    """The replace refs, grafts and shallow commits of a repository."""

    def __init__(self, repo: Repo) -> None:
        self._places = [str(repo.common_dir / name) for name in _ELSEWHERE]
        self._replace = str(repo.common_dir / "refs" / "replace")
        self._packed = repo.common_dir / "packed-refs"
        self._read: tuple[object, bool] | None = None

    def may_exist(self) -> bool:
        """Whether there are any, as far as files tell; yes if they do not."""
        try:
            # Refs are packed before their files go.
            return (
                any(map(os.path.lexists, self._places))
                or _holds_anything(self._replace)
                or self._are_packed()
            )
        except OSError:
            return True

    def _are_packed(self) -> bool:
        try:
            stamp = stamp_in(self._packed.stat())
        except FileNotFoundError:
            return False
        if self._read is None or self._read[0] != stamp:
            self._read = stamp, _IN_LINE in read_file(self._packed)[0]
        return self._read[1]


def _holds_anything(folder: str) -> bool:
    try:
        return bool(os.listdir(folder))  # noqa: PTH208
    except FileNotFoundError:
        return False
