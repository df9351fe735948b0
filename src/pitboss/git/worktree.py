"""Working copies and branches of parallel sessions: found after a crash, rescued, removed (SPEC 2, 7)."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from pitboss.core.text import rescue_message
from pitboss.git import rescue, snapshot
from pitboss.store.paths import RunPaths

if TYPE_CHECKING:
    from pitboss.git.repo import Repo

_SEQ = re.compile(r"(\d+)$")


def session_branches(repo: Repo, run_id: str) -> tuple[str, ...]:
    """Branches of the run's parallel sessions, in order of name."""
    pattern = f"refs/heads/pitboss/grind/{run_id}-session-*"
    return tuple(os.fsdecode(repo.git("for-each-ref", "--format=%(refname:short)", pattern)).split())


def session_worktrees(repo: Repo, run_id: str) -> tuple[str, ...]:
    """Working copies of the run's parallel sessions, half-made ones too, in order of path."""
    folder = RunPaths(repo.root, run_id).worktrees
    made = {str(path) for path in folder.iterdir()} if folder.is_dir() else set()
    known = {path for path in _registered(repo) if Path(path).parent == folder}
    return tuple(sorted(made | known))


def remove_worktree(repo: Repo, run_id: str, path: str) -> None:
    """Rescue what a working copy holds beyond the run branch, then remove it. Raises GitError."""
    head = _registered(repo).get(path)
    if Path(path).is_dir():
        _rescue_files(repo, run_id, path, head)
    if head is not None:
        rescue_commit(repo, run_id, _seq(path), head)
        repo.git("worktree", "remove", "--force", "--force", path, ok=(0, 128))
    shutil.rmtree(path, ignore_errors=True)
    repo.git("worktree", "prune")


def remove_session_branch(repo: Repo, run_id: str, name: str) -> None:
    """Rescue what only a session's branch holds, then delete the branch. Raises GitError."""
    tip = repo.commit_id(f"refs/heads/{name}")
    if tip is not None:
        rescue_commit(repo, run_id, _seq(name), tip)
        repo.git("update-ref", "-d", f"refs/heads/{name}", tip)


def rescue_commit(repo: Repo, run_id: str, seq: int, tip: str) -> None:
    """Name `tip` by a rescue ref unless the run branch or a rescue ref contains it."""
    run_tip = repo.commit_id(f"refs/heads/pitboss/grind/{run_id}")
    known = [r.oid for r in rescue.list_rescued(repo, run_id)]
    loose = rescue.outside(repo, [tip], *([run_tip] if run_tip else []), *known)
    rescue.keep(repo, run_id, seq, loose, why="left over")


def _rescue_files(repo: Repo, run_id: str, path: str, head: str | None) -> None:
    """Commit the folder's files on top of where it began, unless they are what is committed there."""
    base = head or repo.line("rev-parse", f"refs/heads/pitboss/grind/{run_id}")
    snapshot.make_readable(Path(path))
    tree = snapshot.tree_of(repo, Path(path), base=base)
    if tree == repo.line("rev-parse", f"{base}^{{tree}}"):
        return
    message = rescue_message(prompt="worktree", seq=_seq(path), run_id=run_id, reason="left over")
    made = repo.commit_tree(tree, parent=base, message=message)
    rescue_commit(repo, run_id, _seq(path), made)


def _registered(repo: Repo) -> dict[str, str]:
    """Every linked worktree git knows, with the commit its HEAD is on."""
    found: dict[str, str] = {}
    path = ""
    for line in os.fsdecode(repo.git("worktree", "list", "--porcelain", "-z")).split("\0"):
        key, _, value = line.partition(" ")
        if key == "worktree":
            path = value
        elif key == "HEAD":
            found[path] = value
    return found


def _seq(name: str) -> int:
    found = _SEQ.search(name)
    return int(found[1]) if found else 0
