"""A git directory that is held on to, and comes back from wherever somebody moved it (SPEC 1.6).

Its descriptor tells where it is now. Where the system does not answer that, where a move to another disk was a copy,
and for a new process, other traces lead to it: a link or `gitdir:` file in its place, links and folders inside a
folder that took its place, and the folders beside it. Such a folder, a stand-in, may be git's own doing: git makes the
folders that its locks need.
"""

from __future__ import annotations

import errno
import os
import stat
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pitboss.errors import GO_ON
from pitboss.git.errors import RepositoryGone
from pitboss.git.small_files import content_of, is_head, led_to
from pitboss.store.anchors import anchor, whereabouts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    SetAside = Callable[[Path, str], Path | None]

_TRIES = 8
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR)
_NOT_MOVABLE = (errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS)


class KnownHome(msgspec.Struct, frozen=True, kw_only=True):
    """A git directory as a run found it: its path from the tree's root, and the numbers of its device and inode."""

    path: str
    identity: tuple[int, int]


class Home:
    """A git directory at `path`; a copy of it counts as the same if it holds the folder `mark`."""

    def __init__(self, path: Path, mark: str = "", identity: tuple[int, int] | None = None) -> None:
        self.path = path
        self._mark = mark
        self._identity = identity

    def known_from(self, root: Path) -> KnownHome | None:
        """What another process needs to find it; None if it is not itself a folder."""
        return self._identity and KnownHome(path=os.path.relpath(self.path, root), identity=self._identity)

    def begin(self) -> None:
        """Hold on to what is there now."""
        self._identity = identity_of(self.path)
        if self._identity is not None:
            anchor(self.path)

    def is_in_place(self) -> bool:
        """Whether it is where it was."""
        return identity_of(self.path) == self._identity

    def was_taken(self, before: float) -> bool:
        """Whether it is not in place, nor a copy of it, since a time in epoch seconds: later moves are the user's."""
        if self.is_in_place() or (identity_of(self.path) is not None and self._is_copy(self.path)):
            return False
        try:
            replaced = self.path if not self.path.is_dir() or self.path.is_symlink() else self.path / "HEAD"
            return os.lstat(replaced).st_ctime <= before
        except OSError:
            return True

    def bring_back(self, set_aside: SetAside) -> tuple[Path, list[Path]]:
        """Put it back; returns where it was, and where the stand-ins are now. Raises RepositoryGone, OSError.

        It is first put beside its place, where a process that comes after a crash finds it. If a copy is there
        already, that is the one from now on.
        """
        place = self._found()
        if place is None:
            raise self.gone()
        if place == self.path:
            self.begin()
            return place, []
        if not self.path.parent.is_dir():
            raise self._moved_with(place)
        stand_ins = move_back(place, self.path, set_aside)
        self.begin()
        return place, stand_ins

    def _moved_with(self, place: Path) -> RepositoryGone:
        """What to raise if the folder that it was in is gone as well: somebody moved the whole repository."""
        return RepositoryGone(
            f"{self.path.parent} is gone: the repository is in {place.parent} now",
            hint=f"nothing is lost: move it back, or `cd` to where it is; {GO_ON}",
        )

    def gone(self) -> RepositoryGone:
        """What to raise if it is nowhere, or lacks what a repository needs."""
        return RepositoryGone(
            f"{self.path} is no longer the git directory that the run began with",
            hint=f"put it back as {self.path}, or a copy of it; {GO_ON}",
        )

    def _found(self) -> Path | None:
        if self._identity is None:
            return None
        held = whereabouts(self.path)
        places = [*([held] if held else []), *self._traces()]
        moved = (place for place in places if identity_of(place) == self._identity)
        return next(moved, None) or next(filter(self._is_copy, places), None)

    def _traces(self) -> Iterator[Path]:
        """Where it might be, by what is in its place and beside it."""
        leads = led_to(self.path)
        if leads is not None:
            yield leads
        elif self.path.is_dir():
            yield from folders_in(self.path)
        yield from folders_in(self.path.parent)

    def _is_copy(self, place: Path) -> bool:
        return bool(self._mark) and (place / self._mark).is_dir() and is_head(content_of(place / "HEAD"))


class HeldFolder:
    """A folder at `path`, held on to: until this is forgotten, no other folder can get its number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.identity: tuple[int, int] | None = None
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        weakref.finalize(self, os.close, descriptor).atexit = False
        self._descriptor = descriptor
        found = os.fstat(descriptor)
        self.identity = found.st_dev, found.st_ino

    def is_in_place(self) -> bool:
        """Whether it is where it was."""
        return self.identity is not None and identity_of(self.path) == self.identity

    def moved_to(self) -> Path | None:
        """Where it is now; None if it is where it was, or cannot be found."""
        if self.identity is None or self.is_in_place():
            return None
        places = [*folders_in(self.path), *folders_in(self.path.parent)]
        with suppress(OSError):
            places.append(Path(f"/proc/self/fd/{self._descriptor}").readlink())
        return next((place for place in places if identity_of(place) == self.identity), None)


def move_back(place: Path, home: Path, set_aside: SetAside) -> list[Path]:
    """Move the folder at `place` to `home`; returns where what had taken its place is now. Raises OSError.

    Others may be putting something there all the time.
    """
    near = home.with_name(f"{home.name}.moved-back-{os.getpid()}")
    _fetch(place, near)
    stand_ins: list[Path] = []
    for _ in range(_TRIES):
        if aside := set_aside(home, home.name):
            stand_ins.append(aside)
        try:
            near.rename(home)
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        else:
            return stand_ins
    raise OSError(errno.EBUSY, "something keeps taking the place of the git directory", str(home))


def folders_in(folder: Path) -> Iterator[Path]:
    """The folders in a folder, and what links there lead to."""
    with suppress(OSError), os.scandir(folder) as entries:
        yield from (Path(os.path.realpath(entry.path)) for entry in entries if entry.is_dir())


def _fetch(place: Path, near: Path) -> None:
    """Move a folder, or copy it if it cannot be moved. Raises OSError."""
    import shutil

    try:
        place.rename(near)
    except OSError as error:
        if error.errno not in _NOT_MOVABLE:
            raise
        shutil.rmtree(near, ignore_errors=True)
        shutil.copytree(place, near, symlinks=True)


def identity_of(folder: Path) -> tuple[int, int] | None:
    """Identifies a folder wherever it is moved; None if it is not itself a folder."""
    try:
        found = os.lstat(folder)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None
