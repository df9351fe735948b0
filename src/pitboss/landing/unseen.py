"""What a working copy holds that git status does not show, to keep before the copy is removed or emptied (SPEC 1.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git import hidden, nested
from pitboss.git.baseline import baseline_note, baseline_ns, set_baseline
from pitboss.git.errors import GitError
from pitboss.git.ignore_rules import ExcludeFiles
from pitboss.git.move_out import move_out

if TYPE_CHECKING:
    from pathlib import Path

    from pitboss.git.hidden import Hidden
    from pitboss.git.repo import Repo


def mark_provisioned(worktree: Repo, limit: int) -> None:
    """Note that any change in a working copy from now on, by the file system's clock, is sessions' work.

    `limit` tells whoever removes the working copy how many bytes of hidden files to keep in git.
    """
    set_baseline(worktree, b"%d" % limit)


def holds_unseen(worktree: Repo) -> bool:
    """Whether there are repositories inside, or files that uncommitted ignore rules hide. Raises GitError."""
    return bool(nested.below(worktree, ".")) or bool(hidden_files(worktree))


def hidden_files(worktree: Repo) -> Hidden:
    """Files hidden only by ignore rules that sessions wrote and no commit holds. Raises GitError."""
    since_ns = baseline_ns(worktree)
    if since_ns is None:
        return hidden.Hidden()  # no session has worked there
    if not hidden.has_newer_rules(worktree, since_ns):
        return hidden.Hidden()
    base = worktree.line("rev-parse", "HEAD")
    excludes = ExcludeFiles().now(worktree).text
    return hidden.find(worktree, base, excludes, since_ns=since_ns, dropped=(), limit=_limit(worktree))


def _limit(worktree: Repo) -> int:
    noted = baseline_note(worktree)
    return int(noted) if noted.isdigit() else hidden.LIMIT


def keep_hidden(worktree: Repo, *, message: str, keep_in: Path) -> list[str]:
    """Keep such files: in a commit, which is returned, or in `keep_in` if they are too large for git."""
    try:
        found = hidden_files(worktree)
        if found and not found.too_much:
            base = worktree.line("rev-parse", "HEAD")
            return [hidden.commit_of(worktree, found, base=base, message=message, known=())]
    except GitError:
        return []  # unusable to git now, so there is no telling what it ignored
    for place in found.places:
        move_out(worktree.root, place, keep_in)
    return []
