"""How users get their working tree clean: `git stash` does not put everything away (SPEC 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pitboss.core.embed import one_line
from pitboss.core.measures import first_few
from pitboss.git import nested

if TYPE_CHECKING:
    from pitboss.git.repo import Repo
    from pitboss.git.status import TreeStatus

PUT_AWAY = "put them away with `git stash -u`"
COMMIT_OR_PUT_AWAY = f"commit them, or {PUT_AWAY}"

_MOST_NAMED = 3


def way_out(repo: Repo, status: TreeStatus, files: str = COMMIT_OR_PUT_AWAY) -> str:
    """What to do about what `status` says is changed or untracked: `files` if it is no more than files."""
    ways = []
    if inner := _own_repositories(repo, status):
        ways.append(
            f"`git stash` leaves repositories inside the tree where they are: move {_named(inner)} out of it,"
            " or list what should stay in `.git/info/exclude`"
        )
    if status.submodules:
        ways.append(
            f"commit or stash inside {_named(status.submodules)}; `git submodule update` brings back what is recorded"
        )
    if not ways or status.dirty > len(inner) + len(status.submodules):
        ways.insert(0, files)
    return "; ".join(ways)


def _own_repositories(repo: Repo, status: TreeStatus) -> list[str]:
    """Untracked repositories, and working copies of this one; a bare one is files like any other."""
    folders = [path for path in status.few_paths if path.endswith("/")]
    found = [inner for folder in folders for inner in nested.below(repo, folder) if inner.kind != "bare"]
    return [inner.path for inner in nested.outermost(found)]


def _named(paths: list[str] | tuple[str, ...]) -> str:
    return one_line(first_few(paths, _MOST_NAMED))
