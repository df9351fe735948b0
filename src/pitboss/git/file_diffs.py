"""What changed between two commits, file by file, in bounded size: for people to look at (SPEC 10)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pitboss.git.repo import Repo

MOST_FILES = 500
"""Files whose lines are shown: each takes an argument of git's."""

_LITERALLY = ("--literal-pathspecs", "-c", "core.quotePath=false")
_DIFF = (
    *(*_LITERALLY, "diff", "--find-renames", "--submodule=short"),
    *("--no-color", "--no-ext-diff", "--no-textconv"),
)
_HEAD = b"diff --git "


class FileDiff(NamedTuple):
    """One file: its path (before and after, if it was renamed), and lines added and removed, None if it is binary.

    `patch` is git's, from `diff --git` on; None if there are too many lines to show.
    """

    paths: tuple[str, ...]
    added: int | None
    removed: int | None
    patch: bytes | None


def file_diffs(repo: Repo, span: str, *, most_lines: int, most_of_a_file: int) -> Iterator[FileDiff]:
    """What changed in `span` (as git takes it: `A..B`), by path; of very many lines only some files'.

    A file is shown if it has no more than `most_of_a_file` changed lines, and those before it leave room for it in
    `most_lines`. Raises GitError.
    """
    counted = _counted(repo.git(*_DIFF, "--numstat", "-z", "--end-of-options", span, "--"))
    shown = _chosen(counted, most_lines, most_of_a_file)
    paths = [path for place in shown for path in counted[place].paths]
    whole = repo.git(*_DIFF, "--end-of-options", span, "--", *paths) if paths else b""
    patches = dict(zip(shown, _split(whole), strict=False))
    for place, diff in enumerate(counted):
        yield diff._replace(patch=patches.get(place))


def _counted(said: bytes) -> list[FileDiff]:
    """Git's --numstat -z: counts and a path, or, after a rename, an empty path and then two."""
    fields = iter(os.fsdecode(said).split("\0"))
    found = []
    for field in fields:
        if not field:
            continue
        added, removed, path = field.split("\t", 2)
        paths = (path,) if path else (next(fields), next(fields))
        found.append(FileDiff(paths, _number(added), _number(removed), None))
    return found


def _number(word: str) -> int | None:
    return int(word) if word.isdecimal() else None


def _chosen(counted: Sequence[FileDiff], most_lines: int, most_of_a_file: int) -> list[int]:
    chosen, left = list[int](), most_lines
    for place, diff in enumerate(counted):
        lines = (diff.added or 0) + (diff.removed or 0)
        if lines <= min(left, most_of_a_file) and len(chosen) < MOST_FILES:
            chosen.append(place)
            left -= lines
    return chosen


def _split(patch: bytes) -> list[bytes]:
    """One patch for each file: every line of a file begins with a blank, `+`, `-` or a backslash.

    Of a file that became a link, or the other way round, git prints two: one deletes it, the other creates it.
    """
    first, *others = (b"\n" + patch).split(b"\n" + _HEAD)
    del first
    found: dict[bytes, bytes] = {}
    for other in others:
        names = other.partition(b"\n")[0]
        found[names] = found.get(names, b"") + _HEAD + other.removesuffix(b"\n") + b"\n"
    return list(found.values())
