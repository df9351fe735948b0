"""Wakes the run when something may have come into its mailbox: `store.mailbox` reads it (SPEC 10).

Linux tells of new names in a folder (inotify). Where it does not, on other systems or on some network file systems,
the run has to look by itself; so it looks every now and then in any case.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.store.opening import open_folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pitboss.store.paths import RunPaths

_NEW_NAMES = 0x80 | 0x100
"""IN_MOVED_TO and IN_CREATE: a letter is moved into the mailbox, everything else is created there."""

_ROOM = 64 * 1024


class MailWatch:
    """Watches the two folders of a run's mailbox, for one thread. Raises OSError where that is impossible."""

    def __init__(self, paths: RunPaths) -> None:
        self._add, self._drop, self._descriptor = _begin()
        self._folders: dict[Path, int] = dict.fromkeys((paths.skip_file.parent, paths.control), -1)
        self.renew()

    def fileno(self) -> int:
        """The descriptor that can be read once something new is there."""
        return self._descriptor

    def renew(self) -> None:
        """Watch the folders that are there now: an agent may have replaced one."""
        for path, before in self._folders.items():
            found = self._watched(path)
            if before not in (-1, found):
                self._drop(self._descriptor, before)
            self._folders[path] = found

    def forget(self) -> None:
        """Note that somebody is about to look: from now on only what comes later counts."""
        with suppress(BlockingIOError):
            while os.read(self._descriptor, _ROOM):
                pass

    def close(self) -> None:
        """End it."""
        os.close(self._descriptor)

    def _watched(self, path: Path) -> int:
        try:
            folder = open_folder(path)
        except OSError:
            return -1
        try:
            # By way of the descriptor: a path could lead elsewhere by now.
            return int(self._add(self._descriptor, b"/proc/self/fd/%d" % folder, _NEW_NAMES))
        finally:
            os.close(folder)


def _begin() -> tuple[Callable[[int, bytes, int], int], Callable[[int, int], int], int]:
    """The system's calls that watch a folder and let it go, and a descriptor of what they are about."""
    if not sys.platform.startswith("linux"):
        raise OSError(errno.ENOSYS, "this system tells of no new names")
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    descriptor = int(library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
    if descriptor < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return library.inotify_add_watch, library.inotify_rm_watch, descriptor
