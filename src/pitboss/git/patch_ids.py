"""Patch ids: what a change has in common with the same change made elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git.errors import GitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.git.repo import Repo

AT_ONCE = 500
"""How many patches are held in memory at once, at most."""

_PATCHES = ("diff-tree", "--stdin", "--root", "--patch", "--full-index", "--no-ext-diff", "--no-textconv")


def patch_ids(repo: Repo, changes: Sequence[tuple[str, str | None]]) -> dict[str, str]:
    """The patch id of each commit that changes anything, compared with the commit beside it, or None for its parent.

    No commit may be there twice. Commits that are gone, and merges, have none. Two processes for each `AT_ONCE`.
    """
    found: dict[str, str] = {}
    for start in range(0, len(changes), AT_ONCE):
        some = changes[start : start + AT_ONCE]
        asked = "".join(f"{oid}\n" if base is None else f"{oid} {base}\n" for oid, base in some)
        # Git complains about each commit that is gone, goes on with the next, and then exits with 1 or 128.
        patches = repo.git(*_PATCHES, stdin=asked.encode(), ok=(0, 1, 128))
        try:
            said = repo.git("patch-id", "--stable", stdin=patches).decode()
        except GitError:
            continue
        found |= {oid: patch for patch, oid in (line.split() for line in said.splitlines())}
    return found
