"""`.gitattributes` that make every git command fail: kept, then restored (SPEC 1.2, 1.8)."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from pitboss.core.patterns import lazy_pattern
from pitboss.git import raw, snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pitboss.git.repo import Repo

_LIST = ("ls-files", "-z", "--cached", "--others", "--", ":(glob)**/.gitattributes")
# An encoding without a name makes every git command die, even `git status`.
_SENSELESS = lazy_pattern(rb"(?<![^\s])working-tree-encoding(?=\s|$)")


def remove_pipes(repo: Repo) -> None:
    """Remove pipes in place of git's files at the root: git would wait forever to read them."""
    for name in (".gitattributes", ".gitignore", ".gitmodules"):
        with suppress(OSError):
            path = os.path.join(repo.root, name)  # noqa: PTH118 - on a fast path
            if stat.S_ISFIFO(os.lstat(path).st_mode):
                os.unlink(path)  # noqa: PTH108


def senseless(repo: Repo) -> list[str]:
    """Attribute files that make git fail, including ignored ones. Raises GitError."""
    listed = dict.fromkeys(os.fsdecode(repo.git(*_LIST)).split("\0"))
    found = raw.regular(repo, filter(None, listed))
    return [path for path in found if _SENSELESS.search((repo.root / path).read_bytes())]


def commit_of(repo: Repo, paths: Sequence[str], *, base: str, message: str) -> str | None:
    """A commit on top of `base`, on no branch, with these files as they are in the tree; None if `base` has them so.

    Raises GitError.
    """
    with snapshot.scratch_index(repo, "attributes") as env:
        repo.git("read-tree", base, env=env)
        raw.stage(repo, paths, env=env)
        tree = os.fsdecode(repo.git("write-tree", env=env)).strip()
    same = tree == repo.line("rev-parse", f"{base}^{{tree}}")
    return None if same else repo.commit_tree(tree, parent=base, message=message)


def put_back(repo: Repo, paths: Sequence[str], *, base: str) -> None:
    """Restore the files as in `base`, and remove those it does not have. Raises GitError."""
    for path in paths:
        done = repo.run("cat-file", "blob", f"{base}:{path}", ok=(0, 128))
        (repo.root / path).unlink()
        if done.code == 0:
            (repo.root / path).write_bytes(_SENSELESS.sub(b"", done.stdout))
