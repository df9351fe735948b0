"""The moment from which files in a working tree count as new, by the file system's clock: a marker in git's folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

_MARKER = "pitboss-furnished"


def set_baseline(repo: Repo, note: bytes) -> None:
    """Make now the baseline; `note` is kept with it, for whoever asks later."""
    repo.inside(_MARKER).write_bytes(note)


def baseline_ns(repo: Repo) -> int | None:
    """When that was; what changed at that time or later is new. None when there is no baseline."""
    try:
        return os.stat(repo.inside(_MARKER)).st_ctime_ns  # noqa: PTH116 - for each working copy that is moved
    except OSError:
        return None


def baseline_note(repo: Repo) -> bytes:
    """What was kept with it. Raises OSError."""
    return repo.inside(_MARKER).read_bytes()
