"""Keeps the work of a repository inside a tree: what only it holds becomes one commit in the outer one (SPEC 1.2).

The parents of that commit are the tips of the inner history, its files are the inner files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.git import commits, snapshot
from pitboss.git.access import make_readable
from pitboss.git.errors import GitError
from pitboss.git.merge import holds_all
from pitboss.git.nested import ANYTHING, within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.git.nested import Inner
    from pitboss.git.repo import Repo

_FETCH = (
    *("-c", "protocol.file.allow=always", "-c", "protocol.version=2", "-c", "fetch.fsckObjects=false"),
    *("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"),
    "--no-auto-maintenance",
)
_OWN = ("--exclude=refs/remotes/*", "--all", "--reflog", "--not", "--remotes")
# In a worktree `--reflog` would cover all worktrees; `--all` covers HEAD and every branch, which stay.
_BORROWED = ("HEAD", "--not", "--branches", "--remotes", "--tags")


def work_in(repo: Repo, inner: Inner, *, everything: bool, message: str, known: Sequence[str]) -> str | None:
    """A commit of `repo`, on no branch, with what only the repository inside holds; None if there is nothing.

    `everything` covers all its branches, stashes and dropped commits, not just its HEAD. Reuses one of the `known`
    commits if it holds the same. Raises GitError.
    """
    has_head, tips = (False, []) if inner.kind == "hollow" else _tips(repo, inner, everything=everything)
    tips = _brought(repo, inner, tips)
    head = tips[0] if tips and has_head else None
    if inner.kind == "plain" and not tips:
        return None
    tree = _tree(repo, f"{tips[0]}") if tips else None
    with_files = inner.kind in ("link", "worktree", "hollow") or head is None
    files = _files(repo, inner, head) if with_files and inner.kind != "bare" else tree
    if files == tree and len(tips) < 2:
        return None if not tips or tips[0] == inner.recorded else tips[0]
    return commits.commit_once(repo, str(files), tips, message=message, known=known)


def is_held(repo: Repo, tip: str, recorded: str | None, known: Sequence[str], *, again: bool) -> bool:
    """Whether the `known` commits hold all of `tip`; `again` says that its tree may have been partly put back."""
    if not commits.outside(repo, [tip], *known):
        return True
    if not again or not known or commits.outside(repo, repo.line("rev-parse", f"{tip}^@").split(), *known):
        return False
    there = [recorded] if recorded and repo.commit_id(recorded) else []
    return holds_all(repo, [*there, *known], _tree(repo, tip))


def _tree(repo: Repo, commit: str) -> str:
    return repo.line("rev-parse", f"{commit}^{{tree}}")


def _tips(repo: Repo, inner: Inner, *, everything: bool) -> tuple[bool, list[str]]:
    """The inner HEAD first, if there is one, then the tips of all history found only there."""
    env = within(repo, inner)
    asked = repo.run("rev-parse", "--verify", "--quiet", "HEAD^{commit}", env=env, ok=ANYTHING)
    head = asked.stdout.decode().strip() or None
    tips = [head] if head else []
    if everything:
        own = _BORROWED if _borrows(repo, inner) else _OWN
        known = [inner.recorded] if inner.recorded else []
        asked = repo.run(
            "rev-list", "--parents", "--ignore-missing", *own, *known, "--", env=env, ok=ANYTHING
        )
        commits = [line.split() for line in asked.stdout.decode().splitlines()]
        parents = {parent for line in commits for parent in line[1:]}
        tips += [line[0] for line in commits if line[0] not in parents]
    return head is not None, list(dict.fromkeys(tips))


def _borrows(repo: Repo, inner: Inner) -> bool:
    return inner.common_dir == repo.common_dir.resolve()


def _brought(repo: Repo, inner: Inner, tips: Sequence[str]) -> list[str]:
    """Copy the commits into `repo`; from a shallow clone, each one's files as a commit without parents."""
    if not tips or _borrows(repo, inner):
        return list(tips)
    whole = not (inner.common_dir / "shallow").exists()
    if whole and repo.run(*_FETCH, str(inner.git_dir), *tips, ok=ANYTHING).code == 0:
        return list(tips)
    env = within(repo, inner)
    answer = repo.run("log", "--no-walk=unsorted", "--format=%T %ct", *tips, "--", env=env, ok=ANYTHING)
    facts = [line.split() for line in answer.stdout.decode().splitlines()]
    trees = "\n".join(tree for tree, _ in facts).encode()
    packed = repo.run("pack-objects", "--revs", "--stdout", "-q", env=env, stdin=trees, ok=ANYTHING)
    if packed.code != 0 or repo.run("index-pack", "--stdin", stdin=packed.stdout, ok=ANYTHING).code != 0:
        return []
    return list(dict.fromkeys(_root(repo, tree, at) for tree, at in facts))


def _root(repo: Repo, tree: str, at: str) -> str:
    """A commit without parents, identical each time it is made."""
    date = {f"GIT_{role}_DATE": f"@{at} +0000" for role in ("AUTHOR", "COMMITTER")}
    made = repo.git(
        "commit-tree", "--no-gpg-sign", tree, stdin=b"Files of a commit in a shallow clone\n", env=date
    )
    return made.decode().strip()


def _files(repo: Repo, inner: Inner, head: str | None) -> str:
    place = repo.root / inner.path
    try:
        return snapshot.tree_of(repo, place, base=head)
    except GitError as error:
        if "Permission denied" not in error.stderr:
            raise
        make_readable(place)
        return snapshot.tree_of(repo, place, base=head)
