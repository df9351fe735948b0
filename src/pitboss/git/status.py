"""What one `git status` says of a working tree."""

from __future__ import annotations

import os
import re
from typing import TypeAlias

import msgspec

from pitboss.core.patterns import lazy_pattern
from pitboss.store.paths import PITBOSS_FOLDER

FEW_PATHS = 64
UNREADABLE = "(unknown)"
"""What git calls a branch that is checked out and whose ref it cannot read."""

_STATUS = ("status", "--porcelain=v2", "--branch", "-z", "--untracked-files=normal", "--no-renames")
_IGNORED = "--ignored=matching"
_ANEW = ("-c", "core.untrackedCache=false")
_CLOSED = lazy_pattern(rb"^warning: could not open directory '(.+?)/?': Permission denied$", re.MULTILINE)


def status_call(*, anew: bool = False, ignored: bool = False) -> tuple[str, ...]:
    """What git is asked for a status; `parse_status` reads the answer.

    With `ignored`, git names ignored paths too: of a folder that a rule matches the folder alone, of any other what is
    in it. With `anew`, git looks for new files in every folder. Its cache of them knows when a folder changed to the
    second: if the index was written in a later one, a file that was made in the same second as the cache is overlooked.
    """
    return (*(_ANEW if anew else ()), *_STATUS, *((_IGNORED,) if ignored else ()))


_Entry: TypeAlias = tuple[str, list[str], str]
"""The kind of a line, its fields, and the path."""


class TreeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What one `git status` says; pitboss's own folder never counts as dirt.

    `head` is empty if `unborn`; `branch` is None for a detached HEAD. `dirty` counts changed and untracked
    paths, `few_paths` names them if they are few. `new_folders` says that untracked folders are among them,
    `new_rules` that a `.gitignore` is, `only_edits` that all of them are tracked files, changed or surely gone,
    and nothing of pitboss's shows; `pitboss_visible` that pitboss's folder is not ignored, `pitboss_staged` that
    the index has something else of it than HEAD; `unmerged`, `submodules` and `dropped` name conflicted paths,
    submodules with changes inside, and paths that the index no longer holds. `ignored` names ignored paths, folders
    with a slash at the end, if git was asked for them; `closed` names folders that git may not look into. Not `exact`:
    `few_paths` may name a file that is as committed.
    """

    head: str
    branch: str | None
    unborn: bool
    dirty: int
    few_paths: tuple[str, ...] = ()
    new_folders: bool = False
    only_edits: bool = False
    pitboss_visible: bool = False
    pitboss_staged: bool = False
    new_rules: bool = False
    unmerged: tuple[str, ...] = ()
    submodules: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    ignored: frozenset[str] | None = None
    closed: tuple[str, ...] = ()
    exact: bool = True


def parse_status(output: bytes, warnings: bytes = b"", *, with_ignored: bool = False) -> TreeStatus:
    """Parse what `git status` printed for `status_call`, `with_ignored` if it was asked for that."""
    header: dict[str, str] = {}
    entries: list[_Entry] = []
    ignored: list[str] = []
    for item in os.fsdecode(output).split("\0"):
        kind, _, rest = item.partition(" ")
        if kind == "#":
            key, _, value = rest.partition(" ")
            header[key] = value
        elif kind == "!":
            ignored.append(rest)
        elif kind in ("1", "u", "?"):
            fields = rest.split(" ", {"1": 7, "u": 9, "?": 0}[kind])
            entries.append((kind, fields, fields[-1]))
    ours = [entry for entry in entries if entry[2].partition("/")[0] == PITBOSS_FOLDER]
    theirs = [entry for entry in entries if entry not in ours] if ours else entries
    head, branch = header["branch.oid"], header["branch.head"]
    return TreeStatus(
        head="" if head == "(initial)" else head,
        branch=None if branch == "(detached)" else branch,
        unborn=head == "(initial)",
        dirty=len(theirs),
        few_paths=tuple(path for *_, path in theirs) if len(theirs) <= FEW_PATHS else (),
        new_folders=any(kind == "?" and path.endswith("/") for kind, _, path in theirs),
        only_edits=bool(theirs) and not ours and all(map(_is_edit, theirs)),
        pitboss_visible=bool(ours),
        pitboss_staged=any(kind == "1" and not fields[0].startswith(".") for kind, fields, _ in ours),
        new_rules=any(path.rpartition("/")[2] == ".gitignore" for *_, path in theirs),
        unmerged=tuple(path for kind, _, path in theirs if kind == "u"),
        submodules=tuple(path for kind, fields, path in theirs if kind == "1" and fields[1].startswith("S")),
        dropped=tuple(path for kind, fields, path in theirs if kind == "1" and fields[0].startswith("D")),
        ignored=frozenset(ignored) if with_ignored else None,
        closed=tuple(map(os.fsdecode, _CLOSED.findall(warnings))),
    )


def _is_edit(entry: _Entry) -> bool:
    """Whether a file that the index holds was changed; submodules do not count.

    Nor do files that are gone: of a folder in place of one, git says no more than that.
    """
    kind, fields, _ = entry
    return kind == "1" and fields[1].startswith("N") and "D" not in fields[0]
