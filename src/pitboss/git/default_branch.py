"""The branch that a project's work goes to in the end (SPEC 11)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.git.repo import Repo

_REMOTE = "refs/remotes/origin/"
_LOCAL = "refs/heads/"


def default_tips(repo: Repo, otherwise: Callable[[], str | None]) -> tuple[str, ...]:
    """The commits that the default branch is at, here and as last seen on `origin`; empty if there is no such branch.

    It is the first of the `likely_names` that exists, else the one that `otherwise` names. Raises GitError.
    """
    return _tips(repo, likely_names(repo)) or _tips(repo, [name for name in [otherwise()] if name])


def likely_names(repo: Repo) -> list[str]:
    """What the default branch may be called: what `origin/HEAD` says, else `main`, else `master`. Raises GitError."""
    head = os.fsdecode(repo.git("symbolic-ref", "--quiet", f"{_REMOTE}HEAD", ok=(0, 1, 128))).strip()
    return [*([head.removeprefix(_REMOTE)] if head.startswith(_REMOTE) else []), "main", "master"]


def _tips(repo: Repo, names: list[str]) -> tuple[str, ...]:
    """The tips of the first of these branches that exists here or on `origin`; empty if none does."""
    if not names:
        return ()
    refs = [place + name for name in names for place in (_LOCAL, _REMOTE)]
    said = repo.git("for-each-ref", "--format=%(refname)%00%(objectname)", *refs).decode()
    found = dict(line.split("\0") for line in said.splitlines())
    for name in names:
        if tips := [found[place + name] for place in (_LOCAL, _REMOTE) if place + name in found]:
            return tuple(dict.fromkeys(tips))
    return ()
