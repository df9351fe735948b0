"""The branch that a project's work goes to in the end (SPEC 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pitboss.git.repo import Repo

_REMOTE = "refs/remotes/origin/"
_LOCAL = "refs/heads/"


def default_tips(repo: Repo, otherwise: Callable[[], str | None]) -> tuple[str, ...]:
    """The commits that the default branch is at, here and as last seen on `origin`; empty if there is no such branch.

    It is the one of `origin/HEAD`, else `main`, else `master`, else the one that `otherwise` names.
    """
    head = repo.git("symbolic-ref", "--quiet", f"{_REMOTE}HEAD", ok=(0, 1, 128)).decode().strip()
    if head.startswith(_REMOTE):
        return _tips(repo, [head.removeprefix(_REMOTE)])
    return _tips(repo, ["main", "master"]) or _tips(repo, [name for name in [otherwise()] if name])


def _tips(repo: Repo, names: list[str]) -> tuple[str, ...]:
    """The tips of the first of these branches that exists here or on `origin`."""
    if not names:
        return ()
    refs = [place + name for name in names for place in (_LOCAL, _REMOTE)]
    said = repo.git("for-each-ref", "--format=%(refname)%00%(objectname)", *refs).decode()
    found = dict(line.split("\0") for line in said.splitlines())
    for name in names:
        if tips := [found[place + name] for place in (_LOCAL, _REMOTE) if place + name in found]:
            return tuple(dict.fromkeys(tips))
    return ()
