"""The settings of git in working copies of parallel sessions, whatever the user's are (SPEC 6)."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SETTINGS = {
    "core.fsmonitor": "false",
    "core.logAllRefUpdates": "true",
    "core.splitIndex": "false",
    "index.version": "2",
    "submodule.recurse": "false",
}
"""Indexes are written in format 2, the only one that GitPython, and so aider, can read."""


def settings_in(folder: Path) -> dict[str, str]:
    """The settings for working copies in a folder, on whose file system one of them depends."""
    return SETTINGS | {"core.untrackedCache": "true" if _tells_changes(folder) else "false"}


@cache
def _tells_changes(folder: Path) -> bool:
    """Whether a folder's mtime changes with its content: git's untracked cache relies on that.

    It is tried beside `folder`, inside which a crash's leftovers would count as a working copy.
    """
    probe = folder.parent / f".probe-{os.urandom(4).hex()}"
    file = probe / "file"
    probe.mkdir(mode=0o700)
    try:
        return all(_changes_time(probe, change) for change in (file.touch, file.unlink))
    finally:
        file.unlink(missing_ok=True)
        probe.rmdir()


def _changes_time(folder: Path, change: Callable[[], None]) -> bool:
    os.utime(folder, (1, 1))
    change()
    return folder.stat().st_mtime_ns != 1_000_000_000
