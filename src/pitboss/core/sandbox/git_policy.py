"""What a session may do to git's folders: add objects, and move the branches that lie beside its own (SPEC 13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.sandbox.ground import Access

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pitboss.core.sandbox.ground import GitGround

_KEPT = ("hooks", "config", "config.worktree", "info", "refs", "logs", "packed-refs", "worktrees")
"""In the folder of the main working tree, which is writable otherwise: git makes its lock files there."""

_KEPT_OF_LINKED = ("commondir", "gitdir", "config.worktree")
"""In a linked working tree's own folder: which repository it belongs to, and its settings."""

_LENDERS = "objects/info"
"""Where other folders of objects can be named."""

_OURS = "pitboss"
"""Copies of what runs did."""


def git_rules(git: GitGround, tree: str) -> Iterator[tuple[str, Access]]:
    """What becomes of git's folders; of two rules for one path the later counts."""
    if git.is_linked:
        yield git.common, Access.READ
        yield git.own, Access.WRITE
        yield from ((f"{git.own}/{name}", Access.READ) for name in _KEPT_OF_LINKED)
        yield f"{tree}/.git", Access.READ
        yield f"{git.common}/objects", Access.WRITE
    else:
        yield git.common, Access.WRITE
        yield from ((f"{git.common}/{name}", Access.READ) for name in _KEPT)
        yield f"{git.common}/logs/HEAD", Access.WRITE
    yield f"{git.common}/{_OURS}", Access.HIDDEN
    yield f"{git.common}/{_LENDERS}", Access.READ
    yield from ((folder, Access.WRITE) for folder in branch_folders(git))
    yield from ((path, Access.READ) for path in git.kept)


def branch_folders(git: GitGround) -> tuple[str, str]:
    """The folders of the session's branch and of its log."""
    folder = git.branch.rpartition("/")[0]
    heads = f"refs/heads/{folder}".rstrip("/")
    return f"{git.common}/{heads}", f"{git.common}/logs/{heads}"
