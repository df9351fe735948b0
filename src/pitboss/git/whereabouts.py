"""Where a repository is: what git is asked, and how its answer reads (SPEC 1.6)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pitboss.process import Captured

_NOTHING_COMMITTED = ("-c", "safe.bareRepository=explicit")
"""A clone may contain a folder that looks like a bare repository, whose settings say what git runs."""

_PLACES = ("--show-toplevel", "--git-dir", "--git-common-dir")
ASK_FOR = ("git", *_NOTHING_COMMITTED, "rev-parse", "--path-format=absolute")
"""The command that asks for one place, which follows."""

WHERE = (*ASK_FOR, *_PLACES)


def places_in(answer: Captured, ask: Callable[[str], Captured]) -> tuple[Path, Path, Path]:
    """Root, git directory and common directory from git's answer to `WHERE`; `ask` asks for just one.

    It is needed if a path holds a line break, which makes the lines ambiguous. A git too old to know --path-format
    prints it back; the check of `version` refuses such a git.
    """
    lines = _told(answer).split(b"\n")
    if len(lines) != len(_PLACES):
        lines = [_told(ask(place)) for place in _PLACES]
    root, git_dir, common_dir = (Path(os.fsdecode(line)) for line in lines)
    return root, git_dir, common_dir


def _told(answer: Captured) -> bytes:
    return answer.stdout.removeprefix(b"--path-format=absolute\n").removesuffix(b"\n")


def is_inside(place: Path, folders: Sequence[Path]) -> bool:
    """Whether a place is in one of the folders, wherever links lead."""
    real = os.path.realpath(place)
    return any(
        os.path.commonpath((real, os.path.realpath(folder))) == os.path.realpath(folder) for folder in folders
    )
