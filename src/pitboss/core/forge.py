"""Whose repository a remote is, on a site such as GitHub, and how a pull request names its branch (SPEC 11). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern

if TYPE_CHECKING:
    from collections.abc import Mapping

# https://HOST/OWNER/NAME.git, ssh://git@HOST:22/OWNER/NAME, git@HOST:OWNER/NAME
_ADDRESS = lazy_pattern(r"(?:\w+://(?:[^/@]*@)?[^/]+/|(?:[^/@:]+@)?[^/:]+:)([^/:]+)/([^/]+?)(?:\.git)?/?")
_FIRST = ("upstream", "github", "origin")
"""The remotes that `gh` takes for the repository to merge into, in this order, unless it was told otherwise."""


def head(branch: str, remote: str, urls: Mapping[str, str], told: Mapping[str, str]) -> str:
    """How `gh pr create --head` names a branch pushed to `remote`: with its owner if that is a fork.

    `urls` are those of all remotes. `told` is what `gh repo set-default` noted of some: `base`, or OWNER/NAME.
    """
    ours, base = repository(urls.get(remote, "")), _base(urls, told)
    if ours is None or base is None or [word.lower() for word in ours] == [word.lower() for word in base]:
        return branch
    return f"{ours[0]}:{branch}"


def repository(url: str) -> tuple[str, str] | None:
    """Owner and name in an address; None if it is not that of a site, such as a folder's."""
    found = _ADDRESS.fullmatch(url)
    return None if found is None else (found[1], found[2])


def _base(urls: Mapping[str, str], told: Mapping[str, str]) -> tuple[str, str] | None:
    """The repository to merge into."""
    for remote, word in told.items():
        if word == "base":
            return repository(urls.get(remote, ""))
        owner, _, name = word.rpartition("/")
        return owner.rpartition("/")[2], name
    usual = [name for name in _FIRST if name in urls] or sorted(urls)
    return repository(urls[usual[0]]) if usual else None
