"""Checks that a git directory and its folders still exist and are not links to somewhere else (SPEC 1.6)."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.errors import GO_ON
from pitboss.git.errors import RepositoryGone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pitboss.git.repo import Repo

    SetAside = Callable[[Path, str], Path | None]

_GITDIR = b"gitdir: "
_REF = b"ref: refs/"
_FOLDERS = ("refs/heads", "logs/refs", "logs/refs/heads", "objects/pack", "objects/info", "worktrees")
_OWN = ("logs/HEAD",)


class Layout:
    """The parts of a git directory that git writes through; `ref_folders` are checked along with their logs."""

    def __init__(self, repo: Repo, ref_folders: Iterable[str] = ()) -> None:
        self._repo = repo
        folders = tuple(ref_folders)
        self._on_the_way = (*_FOLDERS, *folders, *(f"logs/{folder}" for folder in folders))
        self._homes = tuple(dict.fromkeys((repo.git_dir, repo.common_dir)))
        own = (str(repo.git_dir / name) for name in _OWN)
        shared = (str(repo.common_dir / name) for name in self._on_the_way)
        self._on_the_way = (*own, *shared)
        self._identity: dict[Path, tuple[int, int] | None] = {}
        self._links: frozenset[Path] = frozenset()
        self._head: bytes = b""

    def begin(self) -> None:
        """Remember which folders exist, which links are the user's own, and where HEAD is."""
        self._identity = {home: _identity(home) for home in self._homes}
        self._links = frozenset(self._find_links())
        self._head = content_of(self._repo.inside("HEAD"))

    def check(self, set_aside: SetAside) -> Iterator[str]:
        """Undo damage: a git directory that was moved, links that appeared in it, a HEAD that names nothing.

        Yields warnings. Raises RepositoryGone.
        """
        for home in self._homes:
            if _identity(home) != self._identity[home]:
                yield self._move_back(home, set_aside)
        for link in self._find_links():
            if link not in self._links:
                yield self._remove(link, set_aside)
        yield from self._check_head(set_aside)

    def _move_back(self, home: Path, set_aside: SetAside) -> str:
        place = _led_to(home)
        if place is None or _identity(place) != self._identity[home]:
            raise RepositoryGone(
                f"{home} is no longer the git directory that the run began with",
                hint=f"put it back as {home}, or a copy of it; {GO_ON}",
            )
        set_aside(home, home.name)
        place.rename(home)
        return f"the git directory had been moved to {place}, and was moved back"

    def _remove(self, link: Path, set_aside: SetAside) -> str:
        name = os.path.relpath(link, self._repo.common_dir)
        led_to = _led_to(link)
        set_aside(link, name)
        if led_to is not None and led_to.is_dir() and name.split("/")[0] in ("objects", "refs"):
            _copy_folder(led_to, link)
        return f"{link} pointed to {led_to} and was removed: git would have written there"

    def _check_head(self, set_aside: SetAside) -> Iterator[str]:
        head = self._repo.inside("HEAD")
        content = content_of(head)
        if content == self._head:
            return
        if is_head(content):
            self._head = content
        elif is_head(self._head):
            set_aside(head, "HEAD")
            head.write_bytes(self._head)
            yield "HEAD named no branch and no commit, and was put back"

    def _find_links(self) -> Iterator[Path]:
        for home in self._homes:
            with suppress(OSError), os.scandir(home) as entries:
                yield from (
                    Path(entry.path) for entry in entries if entry.is_symlink() and entry.name != "HEAD"
                )
        yield from (Path(place) for place in self._on_the_way if os.path.islink(place))  # noqa: PTH114 - many a look


def _identity(folder: Path) -> tuple[int, int] | None:
    """Identifies a folder wherever it is moved; None if it is not itself a folder."""
    try:
        found = os.lstat(folder)
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if stat.S_ISDIR(found.st_mode) else None


def _led_to(place: Path) -> Path | None:
    """Where a link, or a file like those git makes for worktrees, points."""
    if place.is_symlink():
        return Path(os.path.realpath(place))
    content = content_of(place)
    if not content.startswith(_GITDIR):
        return None
    return Path(os.path.realpath(place.parent / os.fsdecode(content.removeprefix(_GITDIR).rstrip(b"\n"))))


def is_head(content: bytes) -> bool:
    """Whether this, as returned by `content_of`, names a branch or a commit."""
    text = content.strip()
    is_commit = len(text) in (40, 64) and not text.strip(b"0123456789abcdef")
    return is_commit or (text.startswith(_REF) and len(text.split()) == 2)


def content_of(file: Path) -> bytes:
    """A small file's content; for a link, which old versions of git use for HEAD, where it points."""
    try:
        if file.is_symlink():
            return b"ref: " + os.fsencode(os.readlink(file))  # noqa: PTH115 - the string itself
        return file.read_bytes()[:4096] if file.is_file() else b""
    except OSError:
        return b""


def text_of(file: Path) -> str:
    """One of git's small files as text; empty if it cannot be read or is not a regular file."""
    try:
        return os.fsdecode(file.read_bytes()) if file.is_file() else ""
    except OSError:
        return ""


def _copy_folder(source: Path, target: Path) -> None:
    import shutil

    shutil.copytree(source, target, symlinks=True)
