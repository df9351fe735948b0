"""Where a repository is: what git is asked, and how its answer reads (SPEC 1.6)."""

from __future__ import annotations

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import msgspec

from pitboss.core.patterns import lazy_pattern
from pitboss.errors import CONFIG_UNUSABLE, StartError
from pitboss.git.errors import GitError, NotARepository, fatal_line
from pitboss.git.small_files import content_of, is_head
from pitboss.process import NOT_STARTED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.process import Captured

_NOTHING_COMMITTED = ("-c", "safe.bareRepository=explicit")
"""A clone may contain a folder that looks like a bare repository, whose settings say what git runs."""

_PLACES = ("--show-toplevel", "--git-dir", "--git-common-dir")
_ASK = ("git", *_NOTHING_COMMITTED, "rev-parse")
_ABSOLUTE = "--path-format=absolute"
ASK_FOR = (*_ASK, _ABSOLUTE)
"""The command that asks for one place, which follows."""

HOOKS = ("--git-path", "hooks")
"""Asks for the folder in which git finds hooks, as the user's settings say: relative, or absolute."""

WHERE = (*_ASK, *HOOKS, _ABSOLUTE, *_PLACES)


OLDEST_GIT = (2, 38)

HEAD_UNUSABLE = (
    ".git/HEAD names no branch and no commit: `echo 'ref: refs/heads/BRANCH' >.git/HEAD` puts it back"
)
GIT_INIT = "run `git init` and commit something first, or go to a repository"
FROM_BARE = "this repository has no working tree: go to a clone of it that has one"

_PARTS = ("HEAD", "objects", "refs")
_OWNED_BY_ANOTHER = lazy_pattern(r"dubious ownership in repository at '(.+)'")


class Whereabouts(msgspec.Struct, frozen=True):
    """Where a repository is. `hooks` is the answer to `HOOKS`, from the folder where it was asked; None if unclear."""

    root: Path
    git_dir: Path
    common_dir: Path
    hooks: str | None


def refuse_unless_found(answer: Captured, path: Path, purpose: str) -> None:
    """Raise what it means that git found no repository around `path`: StartError without git, NotARepository, GitError.

    The message begins with `purpose`.
    """
    if answer.code == NOT_STARTED:
        oldest = ".".join(map(str, OLDEST_GIT))
        raise StartError(
            os.fsdecode(answer.stderr), hint=f"install git {oldest} or newer, and have it on PATH"
        )
    if answer.code not in (0, 128):
        raise GitError(WHERE, answer.stderr.decode(errors="replace"), code=answer.code)
    if answer.code == 128:
        why = fatal_line(answer.stderr.decode(errors="replace"))
        raise NotARepository(
            f"{purpose}: {path} is not the working tree of a git repository ({why})",
            hint=_way_out(path, why),
        )


def _way_out(path: Path, why: str) -> str:
    """What to do about git's refusal, which said `why`, to see a repository around `path`."""
    if owned := _OWNED_BY_ANOTHER.search(why):
        trusted = quote(owned[1])
        return f"it belongs to another user: `git config --global --add safe.directory {trusted}` has git trust it"
    top = next((each for each in (path, *path.parents) if os.path.lexists(each / ".git")), None)
    if top is not None:
        return _mend(top / ".git")
    return FROM_BARE if is_bare(path) else GIT_INIT


def _mend(git: Path) -> str:
    """What to do about a `.git` that git takes for none."""
    if not git.is_dir():
        named = os.fsdecode(content_of(git).removeprefix(b"gitdir:").strip())
        if (git.parent / named).is_dir():
            return CONFIG_UNUSABLE
        return (
            f"{git} names no folder of a repository: `git worktree repair` in the main one may put that right"
        )
    lacking = [name for name in _PARTS if not os.path.lexists(git / name)]
    if len(lacking) == len(_PARTS):
        return GIT_INIT
    if lacking not in ([], ["HEAD"]):
        return f"{git} has no {' and no '.join(lacking)}: put that back from a copy of it"
    return CONFIG_UNUSABLE if is_head(content_of(git / "HEAD")) else HEAD_UNUSABLE


def has_unusable(path: Path) -> bool:
    """Whether `path`, where git finds no working tree, is a repository all the same: a bare or a broken one."""
    return os.path.lexists(path / ".git") or is_bare(path)


def is_bare(path: Path) -> bool:
    """Whether `path` is a repository without a working tree. Git is not asked: it would obey the settings there."""
    return (path / "HEAD").is_file() and (path / "objects").is_dir() and (path / "refs").is_dir()


def places_in(answer: Captured, ask: Callable[[str], Captured]) -> Whereabouts:
    """What git's answer to `WHERE` says; `ask` asks for just one place.

    It is needed if a path holds a line break, which makes the lines ambiguous. A git too old to know --path-format
    prints it back; the check of `version` refuses such a git.
    """
    hooks, *lines = answer.stdout.removesuffix(b"\n").split(b"\n")
    clear = len(lines) == len(_PLACES)
    if not clear:
        lines = [_told(ask(place)) for place in _PLACES]
    root, git_dir, common_dir = (Path(os.fsdecode(line)) for line in lines)
    return Whereabouts(root, git_dir, common_dir, os.fsdecode(hooks) if clear else None)


def _told(answer: Captured) -> bytes:
    return answer.stdout.removeprefix(f"{_ABSOLUTE}\n".encode()).removesuffix(b"\n")


def is_inside(place: Path, folders: Sequence[Path]) -> bool:
    """Whether a place is in one of the folders, wherever links lead."""
    real = os.path.realpath(place)
    return any(
        os.path.commonpath((real, os.path.realpath(folder))) == os.path.realpath(folder) for folder in folders
    )
