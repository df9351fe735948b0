"""Gives permissions back to the owner of files and folders, whatever is put in their place meanwhile (SPEC 1.6).

What is changed is what was looked at, never what a link leads to. A folder is gone through by its descriptor.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.store.anchors import AnyPath

    Needed = Callable[[int, str], int]  # from a mode and a path

_UNSEEN = getattr(os, "O_PATH", os.O_RDONLY) | os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def permit(path: AnyPath, needed: Needed, *, dir_fd: int | None = None) -> bool:
    """Add the permissions that something needs and lacks; returns whether it lacked any, and has them now.

    Links stay as they are, and nothing there is no error. Raises OSError.
    """
    name = os.fspath(path)
    return _permit(name, name, needed, dir_fd)


def permit_all(path: AnyPath, needed: Needed) -> None:
    """The same for a folder and all that is in it. Raises OSError."""
    name = os.fspath(path)
    _permit_all(name, name, needed, None)


def _permit(name: str, path: str, needed: Needed, dir_fd: int | None) -> bool:
    try:
        found = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
        missing = 0 if stat.S_ISLNK(found.st_mode) else needed(found.st_mode, path) & ~found.st_mode
        return bool(missing) and _add(name, found, missing, dir_fd)
    except (FileNotFoundError, NotADirectoryError):
        return False


def _add(name: str, found: os.stat_result, missing: int, dir_fd: int | None) -> bool:
    """Add permissions to what was found, if the name still leads to it."""
    mode = stat.S_IMODE(found.st_mode) | missing
    if os.chmod in os.supports_follow_symlinks:  # pragma: no cover - on macOS
        os.chmod(name, mode, dir_fd=dir_fd, follow_symlinks=False)
        return True
    descriptor = os.open(name, _UNSEEN, dir_fd=dir_fd)
    try:
        if not os.path.samestat(found, os.fstat(descriptor)):
            return False
        os.chmod(f"/proc/self/fd/{descriptor}", mode)
        return True
    finally:
        os.close(descriptor)


def _permit_all(name: str, path: str, needed: Needed, dir_fd: int | None) -> None:
    _permit(name, path, needed, dir_fd)
    try:
        folder = os.open(name, _FOLDER, dir_fd=dir_fd)
    except OSError:
        return  # not a folder, or none any more
    try:
        with os.scandir(folder) as entries:
            inner = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for each, is_folder in inner:
            go_on = _permit_all if is_folder else _permit
            go_on(each, os.path.join(path, each), needed, folder)
    finally:
        os.close(folder)
