"""Checks that a git directory and its folders still exist and are not links to somewhere else (SPEC 1.6)."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.git.errors import RepositoryGone
from pitboss.git.home import HeldFolder, Home, move_back
from pitboss.git.kept_lists import NAMES as LISTS
from pitboss.git.kept_lists import KeptList
from pitboss.git.layout_glance import MOST_BYTES, LayoutGlance
from pitboss.git.permissions import Permissions
from pitboss.git.small_files import content_of, is_head, led_to

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pitboss.git.home import KnownHome, SetAside
    from pitboss.git.repo import Repo

_FOLDERS = ("refs/heads", "logs/refs", "logs/refs/heads", "objects/pack", "objects/info", "worktrees")
_OWN = ("logs/HEAD",)
_FILES = (
    *("index", "COMMIT_EDITMSG", "logs/HEAD", "packed-refs", "shallow"),
    *("info/exclude", "info/attributes", "objects/info/alternates"),
)
_WAITED_AT = (
    *("HEAD", "index", "logs/HEAD", "commondir", "gitdir"),
    *("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD"),
)
_MAIN = ("objects", "refs", "logs")
_NEEDED = ("objects", "refs")
"""Without these folders git finds no repository."""


class Layout:
    """The parts of a git directory that git writes through; `ref_folders` are checked along with their logs.

    A git directory that holds the folder `mark` is this one, or a copy of it.
    """

    def __init__(self, repo: Repo, ref_folders: Iterable[str] = (), *, mark: str = "") -> None:
        self._repo = repo
        folders = tuple(ref_folders)
        self._on_the_way = (*_FOLDERS, *folders, *(f"logs/{folder}" for folder in folders))
        self._mark = mark
        places = dict.fromkeys((repo.common_dir, repo.git_dir))  # the second may be inside the first
        self._homes = tuple(Home(place, mark) for place in places)
        self._lists = tuple(KeptList(repo.common_dir, name) for name in LISTS)
        own = (str(repo.git_dir / name) for name in _OWN)
        shared = tuple(str(repo.common_dir / name) for name in self._on_the_way)
        self._folders = (str(repo.common_dir / "logs"), *shared)
        self._on_the_way = (*own, *shared)
        self._files = tuple(str(place / name) for place in places for name in _FILES)
        main = tuple(str(repo.common_dir / name) for name in (*_MAIN, "hooks", "info"))
        self._permissions = Permissions(
            dict.fromkeys((*map(str, places), *main, *self._on_the_way, *self._files)),
            str(repo.common_dir / "worktrees"),
        )
        self._own_heads = tuple(str(repo.inside(name)) for name in _WAITED_AT)
        self._glance = LayoutGlance(
            (*map(str, places), *main, *self._folders),
            (*self._files, *self._own_heads),
            str(repo.common_dir / "worktrees"),
            _WAITED_AT,
        )
        self._stand_ins: list[Path] = []
        self._links: frozenset[Path] = frozenset()
        self._main: tuple[HeldFolder, ...] = ()
        self._head: bytes = b""

    def begin(self) -> None:
        """Remember which folders exist, which links are the user's own, and where HEAD is."""
        for home in self._homes:
            home.begin()
        self._permissions.begin()
        self._links = frozenset(self._find_links())
        self._hold_main()
        self._head = content_of(self._repo.inside("HEAD"))
        self.keep_lists()

    def keep_lists(self) -> None:
        """Take git's lists as they are now to be right: whoever calls this has mended them."""
        for kept in self._lists:
            kept.begin()

    def _hold_main(self) -> None:
        self._main = tuple(HeldFolder(self._repo.common_dir / name) for name in _MAIN)

    def check(self, set_aside: SetAside) -> Iterator[str]:
        """Undo damage: a git directory that was moved, links and other things in it where git needs a file or a
        folder, a HEAD that names nothing, lists that are none.

        Yields warnings. Raises RepositoryGone.
        """
        for home in self._homes:
            if not home.is_in_place():
                yield self._move_back(home, set_aside)
        if not self._is_sound():
            yield from self._mend(set_aside)
        yield from filter(None, (kept.check(set_aside) for kept in self._lists))
        yield from self._check_head(set_aside)

    def _is_sound(self) -> bool:
        """Whether a glance is enough; if not, the user may have made it so."""
        if not all(folder.is_in_place() for folder in self._main) or any(self._links_in_homes()):
            return False
        return self._glance.is_sound()

    def _mend(self, set_aside: SetAside) -> Iterator[str]:
        yield from self._permissions.check()
        for folder in self._main:
            yield from self._move_main_back(folder, set_aside)
        for link in self._find_links():
            if link not in self._links:
                yield self._remove(link, set_aside)
        yield from self._check_kinds(set_aside)
        if not all((self._repo.common_dir / name).is_dir() for name in _NEEDED):
            raise self._homes[0].gone()  # or, while an agent deletes it, about to be

    def _check_kinds(self, set_aside: SetAside) -> Iterator[str]:
        """Remove what is neither a file, a folder nor a link where git needs the one or the other."""
        for place in dict.fromkeys((*self._files, *self._heads())):
            kind, size = _facts(place)
            if kind == stat.S_IFIFO:
                _remove_pipe(place)
                yield f"{place} was a pipe and was removed: git would have waited there for ever"
            elif size > MOST_BYTES:
                set_aside(Path(place), os.path.relpath(place, self._repo.common_dir))
                yield f"{place} was larger than {MOST_BYTES >> 30} GiB and was removed: git would have read all of it"
            elif kind not in (0, stat.S_IFREG, stat.S_IFLNK) and place in self._files:
                set_aside(Path(place), os.path.relpath(place, self._repo.common_dir))
                yield f"{place} was no file and was removed: git needs one there, or none"
        for place in self._folders:
            if _facts(place)[0] not in (0, stat.S_IFDIR, stat.S_IFLNK):
                set_aside(Path(place), os.path.relpath(place, self._repo.common_dir))
                yield f"{place} was no folder and was removed: git needs one there, or none"

    def _heads(self) -> Iterator[str]:
        """Files that git reads first in a working tree, of this one and of those beside it."""
        yield from self._own_heads
        with suppress(OSError), os.scandir(self._repo.common_dir / "worktrees") as entries:
            git_dirs = [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
            yield from (f"{git_dir}/{name}" for git_dir in git_dirs for name in _WAITED_AT)

    def homes(self) -> tuple[KnownHome, ...]:
        """What another process needs for `bring_back`."""
        return tuple(filter(None, (home.known_from(self._repo.root) for home in self._homes)))

    def bring_back(self, homes: Iterable[KnownHome], gone_at: float, set_aside: SetAside) -> Iterator[str]:
        """Put back git directories that a run which was gone at that time, in epoch seconds, had begun with.

        Yields warnings.
        """
        for known in homes:
            place = Path(os.path.normpath(self._repo.root / known.path))
            home = Home(place, self._mark, known.identity)
            with suppress(RepositoryGone, OSError):
                if home.was_taken(gone_at):
                    yield self._move_back(home, set_aside)

    def take_stand_ins(self) -> list[Path]:
        """The folders that were set aside for a git directory since the last call."""
        taken, self._stand_ins = self._stand_ins, []
        return taken

    def _move_back(self, home: Home, set_aside: SetAside) -> str:
        place, stand_ins = home.bring_back(set_aside)
        folders = [path for path in stand_ins if path.is_dir() and not path.is_symlink()]
        self._stand_ins += folders
        kept = f"; what had taken its place is kept as {', '.join(map(str, folders))}" if folders else ""
        if place == home.path:
            self._hold_main()
            return "the git directory was replaced by a copy of it"
        return f"the git directory had been moved to {place}, and was moved back{kept}"

    def _move_main_back(self, folder: HeldFolder, set_aside: SetAside) -> Iterator[str]:
        """Put back a folder that was moved, whatever is in its place, unless that is a link, which is removed later.

        If git had made another in its place just before, the link is in there.
        """
        place, name = folder.path, folder.path.name
        moved = None if place.is_symlink() else folder.moved_to()
        if moved is None:
            return  # where it was, or a new one, or the link is yet to come
        for stand_in in filter(Path.is_dir, move_back(moved, place, set_aside)):
            gathered = stand_in.with_name(f"{stand_in.name}-of-git")
            gathered.mkdir()
            stand_in.rename(gathered / name)
            self._stand_ins.append(gathered)
        yield f"git's {name} had been moved to {moved}, and was moved back"

    def _remove(self, link: Path, set_aside: SetAside) -> str:
        name = os.path.relpath(link, self._repo.common_dir)
        target = led_to(link)
        set_aside(link, name)
        if target is not None and target.is_dir() and name.split("/")[0] in ("objects", "refs"):
            _copy_folder(target, link)
        return f"{link} pointed to {target} and was removed: git would have written there"

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
        yield from self._links_in_homes()
        yield from (Path(place) for place in self._on_the_way if os.path.islink(place))  # noqa: PTH114 - many a look

    def _links_in_homes(self) -> Iterator[Path]:
        for home in self._homes:
            with suppress(OSError), os.scandir(home.path) as entries:
                yield from (
                    Path(entry.path) for entry in entries if entry.is_symlink() and entry.name != "HEAD"
                )


def _facts(place: str) -> tuple[int, int]:
    """What is there, one of the kinds of `stat`, and how large it is; 0 if nothing is."""
    try:
        found = os.lstat(place)
    except OSError:
        return 0, 0
    return stat.S_IFMT(found.st_mode), found.st_size


def _remove_pipe(pipe: str) -> None:
    """Remove a pipe, and let those go on that wait for somebody to write to it: they find it empty."""
    with suppress(FileNotFoundError):
        writer = os.open(pipe, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.unlink(pipe)  # noqa: PTH108 - many a look
        finally:
            os.close(writer)


def _copy_folder(source: Path, target: Path) -> None:
    import shutil

    shutil.copytree(source, target, symlinks=True)
