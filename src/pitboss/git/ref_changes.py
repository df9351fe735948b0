"""Changes of refs for pitboss's own bookkeeping: several, all or none, and no hook runs (SPEC 1.6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git.repo import NO_HOOKS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.git.kept_refs import KeptRefs
    from pitboss.git.repo import Repo

_CHANGE = (*NO_HOOKS, "update-ref", "--stdin")


def change_refs(repo: Repo, orders: Iterable[str]) -> None:
    """Carry out orders as `git update-ref --stdin` takes them, all or none. Raises GitError."""
    text = "".join(f"{order}\n" for order in orders)
    if text and not (repo.kept_refs is not None and repo.kept_refs.change(text)):
        repo.git(*_CHANGE, stdin=text.encode())


def keep_changing(repo: Repo) -> KeptRefs:
    """Keep a git running for changes of the refs of `repo`; the caller ends it."""
    from pitboss.git.kept_refs import KeptRefs

    repo.kept_refs = KeptRefs(("git", *_CHANGE), repo.pinned)
    return repo.kept_refs
