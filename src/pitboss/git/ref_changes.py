"""Changes of refs for pitboss's own bookkeeping: several, all or none, and no hook runs (SPEC 1.6).

An agent can turn one of our refs into a symbolic one that stands for a branch of the user's. So each change is made to
the ref that it names, never to another that this stands for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git.repo import NO_HOOKS
from pitboss.git.small_files import content_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pitboss.git.kept_refs import KeptRefs
    from pitboss.git.repo import Repo

ITSELF = "--no-deref"
"""Has `git update-ref` change the ref that it is given, and no other."""

_SYMBOLIC = b"ref:"
_CHANGE = (*NO_HOOKS, "update-ref", "--stdin")


def change_refs(repo: Repo, orders: Iterable[str]) -> None:
    """Carry out orders as `git update-ref --stdin` takes them, all or none. Raises GitError."""
    text = as_text(orders)
    if text and not (repo.kept_refs is not None and repo.kept_refs.change(text)):
        repo.git(*_CHANGE, stdin=text.encode())


def drop_if_symbolic(repo: Repo, ref: str) -> None:
    """Delete a ref that stands for another one, which git would make or move in its place. Raises GitError."""
    if content_of(repo.common_dir / ref).startswith(_SYMBOLIC):
        repo.git(*NO_HOOKS, "update-ref", ITSELF, "-d", ref)


def as_text(orders: Iterable[str]) -> str:
    """Orders that change one ref each, as lines for git to read."""
    return "".join(f"option no-deref\n{order}\n" for order in orders)


def in_one_transaction(orders: Iterable[str]) -> str:
    """The same, carried out together or not at all, apart from what git reads before and after them."""
    return f"start\n{as_text(orders)}commit\n"


def keep_changing(repo: Repo) -> KeptRefs:
    """Keep a git running for changes of the refs of `repo`; the caller ends it."""
    from pitboss.git.kept_refs import KeptRefs

    repo.kept_refs = KeptRefs(("git", *_CHANGE), repo.pinned)
    return repo.kept_refs
