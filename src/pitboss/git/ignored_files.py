"""Copies ignored files, which git does not put into a new working copy (SPEC 2)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.git.ignore_rules import RULES
from pitboss.store.paths import PITBOSS_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from pitboss.git.repo import Repo

_CHECK = ("check-ignore", "-z", "--stdin")
_NEVER = frozenset({".git", PITBOSS_FOLDER})


def copy_ignored(source: Path, worktree: Repo, names: Sequence[str]) -> tuple[str, ...]:
    """Copy files and folders, named relative to `source` (glob patterns too), to the same places in a working copy.

    Only what git ignores there is copied: the rest is tracked, or would be committed. What a folder's own `.gitignore`
    hides, itself included, counts as ignored. Symbolic links stay links; missing files are skipped. Returns warnings.
    Raises GitError.
    """
    warnings = [
        f"{name} is not a name inside the repository, so it was not copied" for name in names if _leaves(name)
    ]
    warnings += [f"{name} is not a valid pattern" for name in names if not _is_pattern(name)]
    found = sorted({path for name in names if _is_sound(name) for path in _files(source, name)})
    sound = [
        path for path in found if not _through_link(source, path) and not _through_link(worktree.root, path)
    ]
    ignored = _ignored(source, worktree, sound)
    copied = ((path, _copy(source / path, worktree.root / path)) for path in ignored)
    warnings += [f"{path} was not copied: {complaint}" for path, complaint in copied if complaint]
    warnings += [
        f"{path} lies behind a symbolic link, so it was not copied" for path in found if path not in sound
    ]
    tracked = set(_tracked(worktree)) if len(ignored) < len(sound) else set()
    exposed = [path for path in sound if path not in {*ignored, *tracked}]
    return (*warnings, *(f"{path} is not ignored by git, so it was not copied" for path in exposed))


def lacking(source: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the names and patterns that could be copied from `source` if anything there matched them."""
    return tuple(name for name in names if _is_sound(name) and next(_files(source, name), None) is None)


def ignored_by(repo: Repo, names: Sequence[str]) -> tuple[str, ...]:
    """Those of the names and patterns that match something in a working tree that git ignores. Raises GitError."""
    return tuple(name for name in names if _is_sound(name) and _ask(repo, _files(repo.root, name), *_CHECK))


def _is_sound(name: str) -> bool:
    return not _leaves(name) and _is_pattern(name)


def _ignored(source: Path, worktree: Repo, paths: Sequence[str]) -> list[str]:
    """Those of the paths that git ignores in the working copy.

    Tools that keep a folder out of git put a `.gitignore` of `*` into it, as husky and virtual environments do: so that
    its rules count, it has to be there before git is asked. One that hides others but not itself does not stay.
    """
    ignored = _ask(worktree, paths, *_CHECK)
    rest = [path for path in paths if path not in set(ignored)]
    brought = [
        path
        for path in rest
        if Path(path).name == RULES
        and not os.path.lexists(worktree.root / path)
        and _copy(source / path, worktree.root / path) is None
    ]
    if not brought:
        return ignored
    hidden = set(_ask(worktree, brought, *_CHECK))
    for path in brought:
        if path not in hidden:
            (worktree.root / path).unlink()
    return [*ignored, *_ask(worktree, rest, *_CHECK)]


def _leaves(name: str) -> bool:
    parts = Path(name).parts
    return not parts or Path(name).is_absolute() or ".." in parts or parts[0] in _NEVER


def _is_pattern(name: str) -> bool:
    """Whether `**`, if it occurs, is a whole component of the path."""
    return all(part == "**" or "**" not in part for part in Path(name).parts)


def _files(source: Path, name: str) -> Iterator[str]:
    """Everything except folders that matches a name or pattern, relative to `source`."""
    for match in source.glob(name):
        if match.relative_to(source).parts[:1] and match.relative_to(source).parts[0] in _NEVER:
            continue
        if match.is_dir() and not match.is_symlink():
            yield from _below(source, match)
        else:
            yield str(match.relative_to(source))


def _below(source: Path, folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        if Path(place) == source:
            folders[:] = [name for name in folders if name not in _NEVER]
        links = (name for name in folders if Path(place, name).is_symlink())
        for name in (*files, *links):
            yield str(Path(place, name).relative_to(source))


def _through_link(root: Path, path: str) -> bool:
    """Whether a folder on the way to a path is a symbolic link, or not a folder at all."""
    above = [root / parent for parent in Path(path).parents]
    return any(
        place.is_symlink() or (os.path.lexists(place) and not place.is_dir())
        for place in above
        if place != root
    )


def _ask(repo: Repo, paths: Iterable[str], *question: str) -> list[str]:
    asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
    return _split(repo.git(*question, stdin=asked, ok=(0, 1))) if asked else []


def _tracked(repo: Repo) -> list[str]:
    return _split(repo.git("ls-files", "-z"))


def _split(listed: bytes) -> list[str]:
    return list(filter(None, os.fsdecode(listed).split("\0")))


def _copy(origin: Path, target: Path) -> str | None:
    """Copy a file or link as it is; returns why that failed, if it did."""
    import shutil

    if not origin.is_symlink() and not origin.is_file():
        return "it is not a file"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(target):
            target.unlink()
        shutil.copy2(origin, target, follow_symlinks=False)
    except OSError as error:
        return error.strerror or str(error)
    return None
