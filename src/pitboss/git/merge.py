"""Three-way merges on trees alone: no checkout, no index, no working tree (SPEC 6)."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.git.repo import Repo

_MERGE = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", "--allow-unrelated-histories")


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """The merged tree, complete unless there are `conflicts`, by path."""

    tree: str
    conflicts: tuple[str, ...] = ()


def merge_trees(repo: Repo, ours: str, theirs: str) -> Merged:
    """Merge two commits' trees over their common ancestor. Raises GitError."""
    done = repo.run(*_MERGE, ours, theirs, ok=(0, 1))
    tree, *paths = os.fsdecode(done.stdout).split("\0")
    return Merged(tree=tree, conflicts=_until_blank(paths) if done.code == 1 else ())


def fork_point(repo: Repo, onto: str, tip: str) -> str | None:
    """The commit that both have in common; None if there is none, or no `onto`."""
    return repo.run("merge-base", onto, tip, ok=(0, 1, 128)).stdout.decode().strip() or None


def span(repo: Repo, onto: str, tip: str) -> str:
    """What `git diff` takes for the changes of `tip` since it left `onto`; all of it, if they have nothing in common.

    So it is with the history of a repository that was inside the tree.
    """
    return f"{fork_point(repo, onto, tip) or no_files(repo)}..{tip}"


def no_files(repo: Repo) -> str:
    """The empty tree, in the repository's kind of hash."""
    return repo.line("hash-object", "-t", "tree", "/dev/null")


def changed_paths(repo: Repo, older: str, newer: str, *, only: str = "") -> frozenset[str]:
    """Paths that differ between two commits or trees; `only` those of one kind, as letters for --diff-filter."""
    kind = (f"--diff-filter={only}",) if only else ()
    listed = repo.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", *kind, older, newer, "--")
    return frozenset(filter(None, os.fsdecode(listed).split("\0")))


def holds_all(repo: Repo, commits: Sequence[str], tree: str) -> bool:
    """Whether each file of `tree` is, unchanged, in one of `commits`; what `tree` lacks does not matter."""
    fresh = (_files_beyond(repo, commit, tree) for commit in commits)
    return not frozenset.intersection(*fresh)


def _files_beyond(repo: Repo, commit: str, tree: str) -> frozenset[tuple[bytes, bytes]]:
    fields = repo.git("diff-tree", "-r", "-z", "--no-renames", "--diff-filter=d", commit, tree, "--").split(
        b"\0"
    )
    described = zip(fields[0::2], fields[1::2], strict=False)
    return frozenset((b" ".join(meta.split()[1:4:2]), path) for meta, path in described)


def _until_blank(paths: Sequence[str]) -> tuple[str, ...]:
    end = list(paths).index("") if "" in paths else len(paths)
    return tuple(dict.fromkeys(paths[:end]))
