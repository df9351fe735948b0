"""Which files each of many commits on a branch changed: one or two calls to git, however many there are (SPEC 11)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.core.touched import Fate, TouchedFile
from pitboss.git.new_objects import read_new

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pitboss.git.repo import Repo

_CHAIN = ("rev-list", "--first-parent", "--parents", "--ignore-missing", "--stdin")
_CHANGES = ("diff-tree", "-r", "-z", "--stdin", "--root", "--raw", "--numstat", "--find-renames")
_OID = lazy_pattern(r"[0-9a-f]{40,64}")
_MOST_READ = 200
"""So many commits are read from their files: then starting git takes no longer."""

_FATES = {"A": Fate.ADDED, "C": Fate.ADDED, "D": Fate.DELETED, "R": Fate.RENAMED}


def touched_files(repo: Repo, commits: Iterable[str], base: str | None) -> dict[str, tuple[TouchedFile, ...]]:
    """What each of `commits`, all on one first-parent line, changed since the one of them before it.

    `base` is what the first of them began on; None if nobody knows. Commits that git no longer has are left out.
    Raises GitError.
    """
    tips = {commit for commit in commits if _OID.fullmatch(commit)}
    if not tips:
        return {}
    stop = base if base is not None and _OID.fullmatch(base) else None
    parents = _parents_read(repo, tips, stop) or _parents_listed(repo, tips, stop)
    landed = {tip: _landed_before(tip, parents, tips) for tip in tips & parents.keys()}
    pairs = "".join(f"{tip} {before}\n" if before else f"{tip}\n" for tip, before in landed.items())
    found = dict(_parsed(repo.git(*_CHANGES, stdin=pairs.encode())))
    return {tip: found.get(tip, ()) for tip in landed}


def _parents_read(repo: Repo, tips: set[str], stop: str | None) -> dict[str, list[str]]:
    """The first parent, if any, of each commit from the tips to `stop`; empty if not all are files, or few."""
    parents: dict[str, list[str]] = {}
    for tip in tips if len(tips) <= _MOST_READ else ():
        at: str | None = tip
        while at != stop and at not in parents:
            made = None if at is None or len(parents) == _MOST_READ else read_new(repo, at)
            if at is None or made is None:
                return {}
            parents[at] = list(made.parents[:1])
            at = next(iter(made.parents), None)
    return parents


def _parents_listed(repo: Repo, tips: set[str], stop: str | None) -> dict[str, list[str]]:
    """The same from git."""
    asked = [*sorted(tips), *([f"^{stop}"] if stop else ())]
    listed = repo.git(*_CHAIN, stdin="".join(f"{line}\n" for line in asked).encode())
    return {line[0]: line[1:2] for line in (each.split() for each in os.fsdecode(listed).splitlines())}


def _landed_before(tip: str, parents: Mapping[str, list[str]], tips: set[str]) -> str | None:
    """The commit that `tip` is compared with: the one of them before it, or the base; None for a root."""
    at = parents[tip]
    while at and at[0] in parents and at[0] not in tips:
        at = parents[at[0]]
    return at[0] if at else None


def _parsed(said: bytes) -> Iterator[tuple[str, tuple[TouchedFile, ...]]]:
    """Git's output: for each commit its id, then `:` lines with what became of files, then lines with counts."""
    fields = iter(os.fsdecode(said).split("\0"))
    commit, fates, files = "", dict[str, Fate](), list[TouchedFile]()
    for field in fields:
        if field.startswith(":"):
            letter = field.rpartition(" ")[2][:1]
            paths = [next(fields) for _ in range(2 if letter in "RC" else 1)]
            fates[paths[-1]] = _FATES.get(letter, Fate.CHANGED)
        elif "\t" in field:
            files.append(_counted(field, fields, fates))
        elif field:
            if commit:
                yield commit, tuple(files)
            commit, fates, files = field, {}, []
    if commit:
        yield commit, tuple(files)


def _counted(field: str, fields: Iterator[str], fates: Mapping[str, Fate]) -> TouchedFile:
    """Counts and a path, or, after a rename, an empty path and then two."""
    added, removed, path = field.split("\t", 2)
    was = None if path else next(fields)
    path = path or next(fields)
    fate = fates.get(path, Fate.CHANGED)
    return TouchedFile(path=path, fate=fate, added=_number(added), removed=_number(removed), was=was)


def _number(word: str) -> int | None:
    return int(word) if word.isdecimal() else None
