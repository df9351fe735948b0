"""The moment from which files in a working tree count as new, by the file system's clock: a marker in git's folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.git.small_files import read_file

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

_MARKER = "pitboss-furnished"


def set_baseline(repo: Repo, note: bytes) -> None:
    """Make now the baseline; `note` is stored with it for later."""
    repo.inside(_MARKER).write_bytes(note)


def baseline_ns(repo: Repo) -> int | None:
    """When the baseline was set: whatever changed then or later is new. None if there is no baseline."""
    try:
        return os.stat(repo.inside(_MARKER)).st_ctime_ns  # noqa: PTH116 - for each working copy that is moved
    except OSError:
        return None


def baseline_note(repo: Repo) -> bytes:
    """The note stored with the baseline. Raises OSError."""
    return read_file(repo.inside(_MARKER))[0]
