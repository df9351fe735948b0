"""Commits on their way from one repository to another, without a remote: packs, thin where the other side allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git.repo import NO_HOOKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.git.repo import Repo


def pack(repo: Repo, tips: Iterable[str], known: Iterable[str] = ()) -> bytes:
    """Everything that `tips` reach and `known`, which the other side has, do not. Raises GitError."""
    wanted = "\n".join([*tips, *(f"^{oid}" for oid in known), ""])
    return repo.git("pack-objects", "--revs", "--thin", "--stdout", "--quiet", stdin=wanted.encode())


def unpack(repo: Repo, data: bytes) -> None:
    """Take in what `pack` made; no ref holds it yet. Raises GitError if it builds on what is not there."""
    repo.git(*NO_HOOKS, "index-pack", "--stdin", "--fix-thin", stdin=data)


def boundary(repo: Repo) -> tuple[str, ...]:
    """Where a shallow repository ends: the commits whose parents it does not have; none if it is whole."""
    try:
        return tuple((repo.common_dir / "shallow").read_text().split())
    except FileNotFoundError:
        return ()
