"""Commits on no branch: made once, and sorted by which other commits contain them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.git.repo import Repo


def commit_once(repo: Repo, tree: str, parents: Sequence[str], *, message: str, known: Sequence[str]) -> str:
    """A commit, on no branch, with this tree and these parents: the one among `known` if any, else a new one."""
    asked = ("log", "--no-walk=unsorted", "--format=%H %T %P", "--stdin")
    answer = repo.git(*asked, stdin="\n".join(known).encode()) if known else b""
    for line in answer.decode().splitlines():
        oid, same, *others = line.split()
        if same == tree and others == list(parents):
            return oid
    words = [word for parent in parents for word in ("-p", parent)]
    make = ("-c", "i18n.commitEncoding=UTF-8", "commit-tree", "--no-gpg-sign", *words, tree)
    return repo.git(*make, stdin=message.encode()).decode().strip()


def outside(repo: Repo, tips: Sequence[str], *kept: str) -> list[str]:
    """Those tips that no commit of `kept` contains, minus any that another of them contains."""
    unique = list(dict.fromkeys(tips))
    if not unique:
        return []
    revisions = "\n".join([*unique, *(f"^{oid}" for oid in kept)])
    beyond = repo.git("rev-list", "--ignore-missing", "--stdin", stdin=revisions.encode()).decode().split()
    loose = [tip for tip in unique if tip in set(beyond)]
    if len(loose) < 2:
        return loose
    heads = set(repo.git("merge-base", "--independent", *loose).decode().split())
    return [tip for tip in loose if tip in heads]
